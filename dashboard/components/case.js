// A picture before and after a change, with a divider, and the changes to choose from.
// data: {id, crisp, focus, headline, kind, before: frame, changes: [{...frame, name, result, flips, note}]}, frame: {source,
// verdict: a class or "", word: what it is called, sure}; without `headline` it is still being computed

const MIDDLE = 50
// the picture that got the focus after a press: a page that is drawn again takes it from nothing else
let focused = ""

const verdict = (frame) => make("b", frame.verdict, frame.word)

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1)

const layer = (className, frame) => {
  const box = make("div", `layer ${className}`)
  const image = make("img", "")
  image.src = frame.source
  image.alt = ""
  image.draggable = false
  box.append(image)
  if (frame.word) box.append(make("span", `badge ${frame.verdict}`, frame.word))
  return box
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".case")
  const drawn = `${data.id} ${data.crisp} ${data.changes.length}`
  if (root.drawn === drawn) return
  const state = root.shown === data.id ? root.state : { at: 0, split: MIDDLE }
  const isOther = root.shown !== data.id
  Object.assign(root, { drawn, shown: data.id, state })
  root.classList.toggle("crisp", data.crisp)

  const sentence = make("p", "sentence")
  const picture = make("div", "frame")
  picture.tabIndex = -1
  picture.setAttribute("role", "group")
  const rail = make("input", "rail")
  Object.assign(rail, { type: "range", min: 0, max: 100, step: 1 })
  const line = make("div", "line")
  line.append(make("span", "knob", "↔"))
  const caption = make("p", "quiet")
  const note = make("p", "quiet")
  const left = make("div", "left")
  left.append(picture, caption, note)
  const right = make("div", "right")
  const said = make("div", "spoken")
  said.setAttribute("role", "status")

  const place = () => {
    const change = data.changes[state.at]
    picture.style.setProperty("--split", `${state.split}%`)
    rail.value = state.split
    if (!change) return
    const before = `${state.split}% as it is, called ${data.before.word}`
    rail.setAttribute("aria-valuetext", `${before}; the rest ${change.result}, called ${change.word}`)
  }

  const show = () => {
    const change = data.changes[state.at]
    const parts = [layer("before", data.before)]
    sentence.replaceChildren(`${data.kind}. As it is, the detector calls it `, verdict(data.before), `${data.before.sure}.`)
    picture.setAttribute("aria-label", data.kind ? `${data.kind}, called ${data.before.word}` : "The picture")
    if (change) {
      const calls = change.flips ? "it calls it " : "it still calls it "
      sentence.append(` ${capital(change.result)}, ${calls}`, verdict(change), `${change.sure}.`)
      parts.push(layer("after", change), line, rail)
      rail.setAttribute("aria-label", `Divider between the picture as it is and ${change.name}`)
      caption.textContent = `Drag: as it is / ${change.name}`
      note.textContent = change.note
    }
    picture.replaceChildren(...parts)
    right.querySelectorAll("button").forEach((button, at) => button.setAttribute("aria-pressed", String(at === state.at)))
    place()
  }

  const list = (title, changes) => {
    if (!changes.length) return
    const box = make("section", "")
    box.append(title)
    const row = make("div", "row")
    for (const change of changes) {
      const button = make("button", "change")
      button.type = "button"
      button.title = change.name
      const image = make("img", change.flips ? change.verdict : "")
      image.src = change.source
      image.alt = ""
      button.append(image, make("span", "", change.result))
      if (change.flips) button.append(verdict(change))
      button.onclick = () => {
        state.at = data.changes.indexOf(change)
        show()
      }
      row.append(button)
    }
    box.append(row)
    right.append(box)
  }
  list(make("h3", "", `These change the ${data.before.sure ? "verdict" : "answer"}`), data.changes.filter((change) => change.flips))
  const stay = make("h3", "", "These leave it ")
  stay.append(verdict(data.before))
  list(stay, data.changes.filter((change) => !change.flips))

  rail.oninput = () => {
    state.split = Number(rail.value)
    place()
  }
  // the page's own keys are not meant by those that move the divider
  rail.onkeydown = (event) => {
    const end = { Home: 0, End: 100 }[event.key]
    if (end !== undefined) {
      event.preventDefault()
      rail.value = end
      rail.oninput()
    }
    event.stopPropagation()
  }

  const body = make("div", "body")
  body.append(left, right)
  // an answer has its sentence on the page
  root.replaceChildren(...(data.before.sure ? [sentence] : []), body, said)
  show()
  if (!isOther || !data.focus) return
  const isNew = focused !== data.id
  focused = data.id
  // read after it has come onto the page; where that is drawn again, the focus goes from the element of before to this one
  setTimeout(() => {
    const active = document.activeElement
    if (isNew || active === document.body || active.shadowRoot?.querySelector(".case")) picture.focus()
    said.textContent = `Called ${data.before.word}${data.before.sure}. ${data.headline}`
  }, 100)
}
