// Fills a description list. Terms and details are inserted as text, never as HTML.
export function describe(list, shown) {
  list.replaceChildren(
    ...Object.entries(shown).flatMap(([name, value]) => {
      const [term, details] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      details.textContent = value;
      return [term, details];
    }),
  );
}
