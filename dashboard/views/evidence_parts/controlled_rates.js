// Rates with intervals, each beside its control. data: {title, hue, line, sees,
//   rows: [{key, name, note, share, low, high, control, number, label, source, alt}]}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".controlled_rates")
  root.className = `controlled_rates ${data.hue}`
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", data.title)
  const place = (share) => `${(100 * Math.min(1, Math.max(0, share))).toFixed(3)}%`

  const mark = (className, share) => {
    const element = make("div", className)
    element.style.left = place(share)
    return element
  }

  const track = (row) => {
    const box = make("div", "track")
    const fill = make("div", "fill")
    fill.style.width = place(row.share)
    const whisker = mark("whisker", row.low)
    whisker.style.width = `calc(${place(row.high)} - ${place(row.low)})`
    box.append(fill, whisker)
    if (data.line !== null) box.append(mark("line", data.line))
    if (row.control !== null) box.append(mark("control", row.control))
    return box
  }

  const act = (active, className, trigger, row, label) => {
    const element = make(active ? "button" : "div", className)
    if (active) {
      element.type = "button"
      element.setAttribute("aria-label", label)
      element.title = label
      element.dataset.at = `${trigger}-${row.key}`
      element.onclick = () => {
        setTriggerValue(trigger, row.key)
        if (trigger === "see") document.getElementById(data.sees)?.scrollIntoView({ behavior: smoothly() })
      }
    }
    return element
  }

  const pictured = data.rows.some((row) => row.source)
  const draw = (row) => {
    const line = make("div", "row")
    const what = act(Boolean(data.sees), "what", "see", row, `${row.name}, ${row.note}: see what it does`)
    if (row.source) {
      const image = make("img", "")
      image.src = row.source
      image.alt = row.alt
      what.append(image)
    } else if (pictured) {
      // names stay in line
      what.append(make("span", "none"))
    }
    const words = make("span", "words")
    words.append(make("span", "name", row.name))
    if (row.note) words.append(make("span", "note quiet", row.note))
    what.append(words)
    const rate = act(true, "rate", "open", row, row.label)
    rate.append(track(row), make("span", "number", row.number))
    line.append(what, rate)
    return line
  }

  const focused = parentElement.activeElement?.dataset?.at
  root.replaceChildren(...data.rows.map(draw))
  if (focused) root.querySelector(`[data-at="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true })
}
