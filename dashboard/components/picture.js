// One picture with its values under the pointer or, after a Tab, under the arrow keys.
// data: {source, alt, rgb: base64, "" where there is no picture, side: of the image in pixels, cells: {texts, codes: base64, rows, columns}, dim: it belongs to an earlier setting, legend: {colours, low, high, left, right, hatch: colour | null, light: [colour] | null}}

const HINT = "point at the picture to read its values"

const legend = (data) => {
  const bar = make("div", "bar")
  bar.style.background = `linear-gradient(to right, ${data.colours.join(",")})`
  const ends = make("div", "ends")
  ends.append(make("span", "", `${data.low} ${data.left}`), make("span", "quiet", "0"), make("span", "", `${data.right} ${data.high}`))
  const parts = [bar, ends]
  const state = (text, ...colours) => {
    const line = make("div", "state")
    for (const colour of colours) {
      const swatch = make("span", "swatch")
      swatch.style.background = colour
      line.append(swatch)
    }
    line.append(document.createTextNode(text))
    parts.push(line)
  }
  if (data.light) {
    state("certain under every fill", data.colours[0], data.colours.at(-1))
    state("certain under this fill, but not under all", ...data.light)
  }
  if (data.hatch) {
    const hatch = `repeating-linear-gradient(135deg, ${data.hatch} 0 2px, transparent 2px 5px)`
    state("undecided: within sampling error, or too small to name", hatch)
  }
  return parts
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".picture")
  root.classList.toggle("dim", Boolean(data.dim))
  const bytes = Uint8Array.from(atob(data.rgb), (letter) => letter.charCodeAt(0))
  const frame = root.querySelector(".frame") ?? make("div", "frame")
  frame.tabIndex = 0
  // the keys are its own, so it is more than an image
  frame.setAttribute("role", "application")
  frame.setAttribute("aria-label", `${data.alt} Arrow keys read the values.`)
  const image = frame.querySelector("img") ?? make("img", "")
  image.alt = data.alt
  image.draggable = false
  if (image.src !== data.source) image.src = data.source
  const spot = frame.querySelector(".spot") ?? make("div", "spot")
  if (!frame.contains(image)) frame.append(image, spot)
  const value = make("div", "value", HINT)
  value.setAttribute("aria-live", "polite")

  const size = data.side
  const { rows, columns, texts } = data.cells
  const codes = new Uint32Array(Uint8Array.from(atob(data.cells.codes), (letter) => letter.charCodeAt(0)).buffer)
  // outlives a picture that is drawn again
  let at = frame.at ?? null
  const show = (x, y) => {
    at = frame.at = [Math.min(size - 1, Math.max(0, x)), Math.min(size - 1, Math.max(0, y))]
    const start = 3 * (size * at[1] + at[0])
    const [row, column] = [Math.floor((at[1] * rows) / size), Math.floor((at[0] * columns) / size)]
    const cell = ` · ${texts[codes[row * columns + column]]}`
    const rgb = bytes.length ? ` · rgb ${[...bytes.slice(start, start + 3)].join(" ")}` : ""
    value.textContent = `${at[0]}, ${at[1]}${rgb}${cell}`
    const [width, height] = [100 / columns, 100 / rows]
    Object.assign(spot.style, { display: "block", left: `${column * width}%`, top: `${row * height}%`, width: `${width}%`, height: `${height}%` })
  }
  const hide = () => {
    spot.style.display = "none"
    value.textContent = HINT
  }
  // a finger that taps moves nothing, and what it has read stays
  frame.onpointerdown = frame.onpointermove = (event) => {
    const box = frame.getBoundingClientRect()
    show(Math.floor(((event.clientX - box.left) / box.width) * size), Math.floor(((event.clientY - box.top) / box.height) * size))
  }
  frame.onpointerleave = (event) => {
    if (event.pointerType !== "touch") hide()
  }
  frame.onblur = hide
  frame.onkeydown = (event) => {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key]
    // Back and the like are the browser's
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    event.stopPropagation()
    const from = at ?? [Math.floor(size / 2) - 1, Math.floor(size / 2)]
    show(from[0] + step[0], from[1] + step[1])
  }
  const kept = frame.isConnected && root.firstChild === frame
  if (kept) while (root.lastChild !== frame) root.lastChild.remove()
  else root.replaceChildren(frame)
  root.append(value, ...legend(data.legend))
  if (at && spot.style.display === "block") show(...at)
}
