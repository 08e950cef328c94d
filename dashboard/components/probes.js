// One image under every probe, each strength a button. data: {families: [{title, probes: [{title, sentence, cells}]}]},
//   cell: {column, source, strength, called, state: "turned" | "shared" | "stays" | "unknown", chosen, label}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".probes")

  const draw = (cell) => {
    const button = make("button", `cell ${cell.state} ${cell.called}`)
    button.type = "button"
    button.disabled = cell.state === "unknown"
    button.title = cell.label
    button.dataset.column = cell.column
    button.setAttribute("aria-label", cell.label)
    button.setAttribute("aria-pressed", String(cell.chosen))
    const frame = make("span", "frame")
    if (cell.source) {
      const image = make("img", "")
      image.src = cell.source
      image.alt = ""
      frame.append(image)
    }
    if (cell.state === "turned" || cell.state === "shared") frame.append(make("span", `chip ${cell.called}`, cell.called))
    button.append(frame, make("span", "strength quiet", cell.strength))
    button.onclick = () => setTriggerValue("open", cell.column)
    return button
  }

  const family = (one) => {
    const box = make("section", "family")
    box.append(make("div", "title", one.title))
    one.probes.forEach((probe) => {
      const row = make("div", "row")
      const name = make("div", "name", probe.title)
      name.title = probe.sentence
      // a title alone is for the pointer
      name.append(make("span", "spoken", `: ${probe.sentence}`))
      const cells = make("div", "cells")
      cells.append(...probe.cells.map(draw))
      row.append(name, cells)
      box.append(row)
    })
    return box
  }

  const focused = parentElement.activeElement?.dataset?.column
  root.replaceChildren(...data.families.map(family))
  if (focused) root.querySelector(`[data-column="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true })
}
