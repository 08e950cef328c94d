// Six beats on the whole screen. Keys: right, space: reveal what there is, then the next beat; left: back; A and B: a
// hand for each; F: full screen; N: notes; Esc: leave. The beat is sent as `at`, 0 when the stage is left.
// data: {id, at, beats: [{number, kind, title, text, notes, ...}]}; kinds: vote {pictures: [{letter, name, source}],
//   answer}, frames {frames: [{caption, source, verdict}]}, shares {bars: [{name, share, text, kind}]}, own {page},
//   trust {trust: [text], doubt: [text]}

const picture = (source, alt) => {
  const image = make("img", "")
  image.src = source
  image.alt = alt
  return image
}

const drawVote = (beat, { revealed, hands }) =>
  beat.pictures.map(({ letter, name, source }) => {
    const box = make("figure", revealed ? (letter === beat.answer ? "right" : "wrong") : "")
    const count = hands[letter] ?? 0
    const raised = count ? `${count} ${count === 1 ? "hand" : "hands"}` : ""
    const asked = raised || `Hands up for ${letter}`
    const told = raised ? `${name}: ${raised}` : name
    const caption = make("figcaption", "", revealed ? told : asked)
    box.append(make("b", "badge letter", letter), picture(source, `Picture ${letter}`), caption)
    return box
  })

const drawFrames = (beat) =>
  beat.frames.map(({ caption, source, verdict }) => {
    const box = make("figure", verdict)
    box.append(make("b", "badge", verdict), picture(source, `${caption}: called ${verdict}`), make("figcaption", "", caption))
    return box
  })

const drawShares = (beat) =>
  beat.bars.map(({ name, share, text, kind }) => {
    const line = make("div", `line ${kind}`)
    const meter = make("div", "meter")
    const filled = make("div", "filled")
    filled.style.width = `${100 * share}%`
    meter.append(filled)
    line.append(make("span", "", name), make("b", "", text), meter)
    return line
  })

const drawOwn = (beat) => {
  const address = new URL(beat.page, document.baseURI)
  // nobody else's browser finds this machine by such a name
  const isLocal = ["localhost", "127.0.0.1"].includes(address.hostname)
  const link = make("a", "", isLocal ? "Try a picture" : address.href)
  link.href = address.href
  link.target = "_blank"
  return [link]
}

const drawTrust = (beat) =>
  ["trust", "doubt"].map((kind) => {
    const list = make("ul", `list ${kind}`)
    list.append(...beat[kind].map((text) => make("li", "", text)))
    return list
  })

const DRAWN = { vote: drawVote, frames: drawFrames, shares: drawShares, own: drawOwn, trust: drawTrust }

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".stage")
  if (root.shown === data.id) return
  root.shown = data.id
  const dialog = make("dialog", "")
  dialog.setAttribute("aria-label", "Stage")
  const screen = make("div", "screen")
  screen.tabIndex = -1
  dialog.append(screen)
  root.replaceChildren(dialog)

  const last = data.beats.length - 1
  // what was revealed and counted, a record a beat
  const records = data.beats.map(() => ({ revealed: false, hands: {} }))
  let at = Math.max(0, data.beats.findIndex((beat) => beat.number >= data.at))
  let withNotes = false

  const button = (text, name, act) => {
    const element = make("button", "", text)
    element.setAttribute("aria-label", name)
    element.onclick = act
    return element
  }
  const draw = () => {
    const beat = data.beats[at]
    const title = make("h2", "", beat.title)
    title.setAttribute("aria-live", "polite")
    const body = make("div", `body ${beat.kind}`)
    body.append(...DRAWN[beat.kind](beat, records[at]))
    const foot = make("div", "foot")
    const dots = data.beats.map((_, number) => {
      const dot = button("", `Beat ${number + 1} of ${data.beats.length}`, () => move(number))
      dot.className = "dot"
      if (number === at) dot.setAttribute("aria-current", "step")
      return dot
    })
    foot.append(button("←", "Back", () => move(at - 1)), ...dots, button("→", "Next", forward))
    foot.append(make("span", "keys", "F full screen · N notes · Esc"), button("leave", "Leave the stage", leave))
    screen.classList.toggle("noted", withNotes)
    screen.replaceChildren(title, make("p", "text", beat.text), body, ...(withNotes ? [make("p", "notes", beat.notes)] : []), foot)
    screen.focus()
  }
  const move = (number) => {
    at = Math.min(last, Math.max(0, number))
    setStateValue("at", data.beats[at].number)
    draw()
  }
  const forward = () => {
    if (data.beats[at].answer && !records[at].revealed) {
      records[at].revealed = true
      draw()
    } else if (at < last) move(at + 1)
  }
  const count = (letter) => {
    records[at].hands[letter] = (records[at].hands[letter] ?? 0) + 1
    draw()
  }
  const leave = () => {
    dialog.close()
    setStateValue("at", 0)
  }
  const fill = () => (document.fullscreenElement ? document.exitFullscreen() : screen.requestFullscreen())
  const keys = {
    ArrowRight: forward, PageDown: forward, " ": forward, ArrowLeft: () => move(at - 1), PageUp: () => move(at - 1),
    a: () => data.beats[at].answer && count("A"), b: () => data.beats[at].answer && count("B"), f: fill,
    n: () => { withNotes = !withNotes; draw() },
  }
  dialog.onkeydown = (event) => {
    // the page beneath has keys of its own
    event.stopPropagation()
    const act = keys[event.key.length > 1 ? event.key : event.key.toLowerCase()]
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    act()
  }
  dialog.oncancel = (event) => {
    event.preventDefault()
    leave()
  }
  draw()
  dialog.showModal()
  screen.focus()
}
