/** Starts something when its section is seen for the first time: a demonstration that nobody looks at opens no connection. */
export function onceSeen(section, start) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      start(section);
    },
    { rootMargin: "120px" },
  );
  observer.observe(section);
}
