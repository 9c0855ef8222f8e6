// The server's source, which is fetched when somebody opens it.
export function startSource(section) {
  const code = section.querySelector("pre");
  section.querySelector("details").addEventListener("toggle", async () => {
    if (code.textContent) return;
    const response = await fetch("/crowd-source.txt");
    code.textContent = response.ok ? await response.text() : "The source can't be read";
  });
}
