/** Starts a demonstration when it first reaches the middle of the window, so that it opens no connection before. */
export function onceSeen(section, start) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      start(section);
    },
    { rootMargin: "-30% 0px" },
  );
  observer.observe(section.querySelector(".demonstration"));
}
