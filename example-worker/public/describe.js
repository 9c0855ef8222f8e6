// Fills a description list with terms and their details, which are only ever inserted as text.
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
