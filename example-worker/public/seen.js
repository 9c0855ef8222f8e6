/** Starts a demonstration when a third of it first comes into view, so that it opens no connection before. */
export function onceSeen(section, start) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      start(section);
    },
    { threshold: 0.3 },
  );
  observer.observe(section.querySelector(".demonstration"));
}
