// Shows the Worker's code. build.js takes it from the files that run.
import { regions } from "./regions.js";

const TOKENS =
  /(?<comment>\/\/.*|\/\*[^]*?\*\/|^ *…$)|(?<string>"[^"\n]*"|`[^`]*`)|(?<keyword>\b(?:async|await|class|const|export|extends|for|if|in|new|of|override|return|static|super|this|undefined|void)\b)|(?<type>\b[A-Z]\w*)|(?<number>\b\d[\d_]*\b)/gm;

/** The code, with a span around each token that has a colour. */
function* coloured(text) {
  let end = 0;
  for (const { 0: token, index, groups } of text.matchAll(TOKENS)) {
    yield text.slice(end, index);
    const span = document.createElement("span");
    span.className = Object.keys(groups).find((kind) => groups[kind] !== undefined);
    span.textContent = token;
    yield span;
    end = index + token.length;
  }
  yield text.slice(end);
}

export function showCode(figure) {
  const { file, parts } = regions[figure.dataset.region];
  const [caption, pre] = ["figcaption", "pre"].map((tag) => document.createElement(tag));
  caption.textContent = file;
  pre.tabIndex = 0;
  pre.role = "region";
  pre.ariaLabel = `Code of ${file}`;
  pre.append(...coloured(parts.join("\n  …\n")));
  figure.replaceChildren(caption, pre);
}
