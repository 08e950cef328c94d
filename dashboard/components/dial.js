// A picture, a change of it and the change's control, at the strength where the knob stands. All frames are here, so
// that moving the knob asks nobody; where it rests is sent as `at`.
// data: {id: of picture and detector, at: column or "", crisp, of, nothing: flips it, picture: frame, name: what it is,
//   experiments: [{title, changed, less, more, stops: [{column, label, changed: frame, control: frame or null, against: caption, shares: [{name, share, text, kind}]}]}]};
//   a frame is {source, verdict, sure}

// milliseconds after which a knob that is not moved any more rests
const REST = 600

const figure = (caption, frame, note, alt) => {
  const box = make("figure", frame.verdict)
  const image = make("img", "")
  image.src = frame.source
  image.alt = alt
  const verdict = make("div", "verdict")
  verdict.append(make("b", "", frame.verdict), ` ${frame.sure}`, make("small", "", note))
  box.append(make("figcaption", "what", caption), image, verdict)
  return box
}

// stop 0 is the picture as it is
const flips = (data, stop) => stop.changed.verdict !== data.picture.verdict
const firstFlip = (data, experiment) => 1 + experiment.stops.findIndex((stop) => flips(data, stop))

const stand = (data) => {
  for (const [which, experiment] of data.experiments.entries()) {
    const at = experiment.stops.findIndex((stop) => stop.column === data.at)
    if (at >= 0) return { which, at: at + 1 }
  }
  const which = Math.max(0, data.experiments.findIndex((experiment) => firstFlip(data, experiment)))
  return { which, at: firstFlip(data, data.experiments[which]) || data.experiments[which].stops.length }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".dial")
  if (root.shown === data.id && root.crisp === data.crisp) return
  // where the knob stood in this picture outlives a page that is drawn again
  const state = root.shown === data.id ? root.state : stand(data)
  Object.assign(root, { shown: data.id, crisp: data.crisp, state })
  root.classList.toggle("crisp", data.crisp)

  const frames = make("div", "frames")
  const slider = make("div", "slider")
  const less = make("span", "")
  const more = make("span", "")
  const rail = make("div", "rail")
  const knob = make("input", "")
  Object.assign(knob, { type: "range", min: 0, step: 1 })
  knob.setAttribute("aria-label", "Strength")
  const mark = make("div", "mark")
  rail.append(knob, mark)
  slider.append(less, rail, more)
  const choice = make("fieldset", "")
  choice.append(make("legend", "spoken", "Experiment"))
  const shares = make("div", "shares")
  const left = make("div", "")
  left.append(frames, slider, choice, make("p", "nothing", data.nothing))
  const body = make("div", "body")
  body.append(left, shares)

  const rest = () => {
    clearTimeout(root.resting)
    root.resting = setTimeout(() => setStateValue("at", data.experiments[state.which].stops[state.at - 1]?.column ?? ""), REST)
  }
  const draw = () => {
    const experiment = data.experiments[state.which]
    const stop = experiment.stops[state.at - 1]
    const { picture } = data
    const changed = stop?.changed ?? picture
    const shown = stop ?? experiment.stops[0]
    const control = stop ? stop.control : shown.control && picture
    const kept = (frame) => (!stop ? "not changed yet" : frame.verdict === picture.verdict ? "verdict stays" : "verdict flips")
    frames.replaceChildren(
      figure(data.name, picture, "as it is", "The picture as it is"),
      figure(stop ? `${experiment.changed}, ${stop.label}` : experiment.changed, changed, kept(changed), experiment.changed),
      ...(control ? [figure(shown.against, control, kept(control), shown.against)] : []),
    )
    frames.classList.toggle("two", !control)
    less.textContent = experiment.less
    more.textContent = experiment.more
    const last = experiment.stops.length
    Object.assign(knob, { max: last, value: state.at })
    const beside = stop && control ? `; control ${control.verdict} ${control.sure}` : ""
    knob.setAttribute("aria-valuetext", `${stop?.label ?? experiment.less}: ${changed.verdict} ${changed.sure}${beside}`)
    // a colour reaches half way to the next stop
    const inks = [picture, ...experiment.stops.map((stop) => stop.changed)].map((frame) => `var(--${frame.verdict.toLowerCase()})`)
    const at = (stop) => `calc(var(--thumb) / 2 + (100% - var(--thumb)) * ${Math.min(1, Math.max(0, stop / last))})`
    rail.style.setProperty("--track", `linear-gradient(to right, ${inks.map((ink, stop) => `${ink} ${stop ? at(stop - 0.5) : "0%"} ${stop < last ? at(stop + 0.5) : "100%"}`).join(",")})`)
    const first = firstFlip(data, experiment)
    mark.textContent = first ? "▲\nflips here" : ""
    mark.style.left = at(first - 0.5)
    const bars = shown.shares.map((bar) => (stop ? bar : { ...bar, share: 0, text: "0%" }))
    shares.replaceChildren(
      ...(bars.length ? [make("p", "", data.of)] : []),
      ...bars.map((bar) => {
        const line = make("div", `share ${bar.kind}`)
        const meter = make("div", "meter")
        const filled = make("div", "filled")
        filled.style.width = `${100 * bar.share}%`
        meter.append(filled)
        line.append(make("span", "", bar.name), meter, make("b", "", bar.text))
        return line
      }),
    )
  }
  // a page's own keys are not meant by those that move the knob
  root.onkeydown = (event) => event.key.startsWith("Arrow") && event.stopPropagation()
  knob.onkeydown = (event) => {
    if (event.key !== "Home" && event.key !== "End") return
    event.preventDefault()
    knob.value = event.key === "Home" ? 0 : knob.max
    knob.oninput()
  }
  knob.oninput = () => {
    state.at = Number(knob.value)
    draw()
    rest()
  }
  for (const [which, experiment] of data.experiments.entries()) {
    const label = make("label", "", experiment.title)
    const radio = make("input", "")
    Object.assign(radio, { type: "radio", name: "experiment", checked: which === state.which })
    radio.onchange = () => {
      state.which = which
      state.at = firstFlip(data, experiment) || experiment.stops.length
      draw()
      rest()
    }
    label.append(radio)
    choice.append(label)
  }
  root.replaceChildren(body)
  draw()
}
