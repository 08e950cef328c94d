// Pairs of pictures side by side, each pair a button. data: {title, pairs: [{id, left, right, note, clash, label}]},
//   left and right: {source | null, is, name, where, alt}

const draw = (side) => {
  const box = make("figure", "one")
  if (side.source) {
    const image = make("img", side.is)
    image.src = side.source
    image.alt = side.alt
    box.append(image)
  } else {
    box.append(make("div", `none quiet ${side.is}`, "picture not available"))
  }
  const where = make("div", "where")
  where.append(make("span", `chip ${side.is}`, side.is), make("span", "quiet name", side.where))
  const name = make("div", "quiet name", side.name)
  name.title = side.name
  box.append(where, name)
  return box
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".pairs")
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", data.title)
  const focused = parentElement.activeElement?.dataset?.id
  root.replaceChildren(
    ...data.pairs.map((pair) => {
      const button = make("button", "pair")
      button.type = "button"
      button.dataset.id = pair.id
      button.setAttribute("aria-label", pair.label)
      const both = make("div", "both")
      both.append(draw(pair.left), draw(pair.right))
      const note = make("div", "note")
      if (pair.clash) note.append(make("b", "", `${pair.clash} `))
      note.append(make("span", "quiet", pair.note))
      button.append(both, note)
      button.onclick = () => setTriggerValue("open", pair.id)
      return button
    }),
  )
  if (focused) root.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true })
}
