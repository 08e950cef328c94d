// Answers of the probes. data: {standings, sees, rows: [{question, lines: [{verdict, probe, state, share, low, high,
//   controls: [{share, name}], ways: [{share, name, above}], words: [[text, kind]], label}]}]}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".answers")
  const place = (share) => `${(100 * Math.min(1, Math.max(0, share))).toFixed(3)}%`

  const mark = (className, share, name) => {
    const element = make("span", `mark ${className}`)
    if (share !== undefined) element.style.left = place(share)
    if (name) element.title = name
    return element
  }

  const track = (line) => {
    const box = make("span", "track")
    const whisker = mark("whisker", line.low)
    whisker.style.width = `calc(${place(line.high)} - ${place(line.low)})`
    box.append(whisker)
    line.ways.forEach((way) => box.append(mark(way.above ? "way" : "way open", way.share, way.name)))
    line.controls.forEach((control) => box.append(mark("control", control.share, control.name)))
    box.append(mark(`effect ${line.state}`, line.share))
    return box
  }

  const draw = (line) => {
    const box = make("button", `line ${line.verdict}`)
    box.type = "button"
    box.title = line.label
    box.dataset.at = `${line.probe}-${line.verdict}`
    box.onclick = () => {
      setTriggerValue("see", line.probe)
      document.getElementById(data.sees)?.scrollIntoView({ behavior: smoothly() })
    }
    const words = make("span", "words")
    for (const [text, kind] of line.words)
      words.append(make(kind === "number" ? "b" : "span", kind === "class" ? `chip ${text}` : "", text))
    box.append(track(line), words, make("span", "spoken", line.label))
    return box
  }

  const legend = make("div", "legend")
  const entries = [
    ["effect claimed", data.standings.claimed],
    ["effect open", data.standings.open],
    ["control", "a control"],
    ["way", "another version of the change"],
    ["way open", "another version, no better than its control"],
  ]
  entries.forEach(([className, text]) => {
    const entry = make("span", "entry")
    entry.append(mark(className), make("span", "", text))
    legend.append(entry)
  })

  const scale = make("div", "row scale")
  const ends = make("span", "ends")
  for (const share of [0, 50, 100]) ends.append(make("span", "", `${share}%`))
  scale.append(make("span", ""), ends)

  const focused = parentElement.activeElement?.dataset?.at
  const rows = data.rows.map((row) => {
    const box = make("div", "row")
    const lines = make("div", "lines")
    lines.append(...row.lines.map(draw))
    box.append(make("b", "question", row.question), lines)
    return box
  })
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", "What verdicts rest on, each beside its controls")
  root.replaceChildren(legend, ...rows, scale)
  if (focused) root.querySelector(`[data-at="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true })
}
