// A list of lines. What comes over a socket is only ever inserted as text.
export function appendLine(lines, text, kind = "message") {
  const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 8;
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = text;
  lines.append(line);
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}
