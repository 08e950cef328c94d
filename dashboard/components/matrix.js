// A confusion matrix whose cells are buttons. data: {cells: [{truth, said, count, label, strength, pressed}], filters: it is a filter, chosen}

const chip = (lead, name) => {
  const head = make("div", "head")
  head.append(make("span", "quiet", lead + " "), make("span", `chip ${name}`, name))
  return head
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".matrix")
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", "Confusion matrix: a row for what images are, a column for what they are called.")
  const names = ["FAKE", "REAL"]
  const parts = [make("div", ""), ...names.map((name) => chip("called", name))]
  names.forEach((truth, row) => {
    const side = chip("is", truth)
    side.className = "side"
    parts.push(side)
    data.cells.slice(2 * row, 2 * row + 2).forEach((cell) => {
      const button = make("button", `cell ${cell.said} ${cell.truth === cell.said ? "right" : "wrong"}`)
      if (data.chosen && !cell.pressed) button.classList.add("dim")
      button.type = "button"
      // where the matrix is a filter a cell is a switch, elsewhere it leads away
      if (data.filters) button.setAttribute("aria-pressed", String(Boolean(cell.pressed)))
      button.dataset.cell = `${cell.truth}-${cell.said}`
      button.style.setProperty("--strength", cell.strength)
      // a screen reader says what is seen, and then what it means
      button.append(make("span", "count", cell.count), make("span", "spoken", cell.label))
      button.onclick = () => setTriggerValue("open", { truth: cell.truth, said: cell.said })
      parts.push(button)
    })
  })
  const focused = parentElement.activeElement?.dataset?.cell
  root.replaceChildren(...parts)
  if (focused) root.querySelector(`[data-cell="${focused}"]`)?.focus({ preventScroll: true })
}
