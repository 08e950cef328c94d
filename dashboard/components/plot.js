// Lines, points and bars as SVG. data: {alt, height, x, panels: [{y, lines, bars}]}, an axis is {title, low, high, ticks: [[value, label]]}

const draw = (tag, attributes, parent, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag)
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value))
  if (text !== undefined) element.textContent = text
  parent?.append(element)
  return element
}
const DASHES = { solid: "none", dot: "2 4" }
const LEFT = 62, RIGHT = 14, TOP = 8, BOTTOM = 46, GAP = 22

const keyOf = (lines) => {
  const legend = make("div", "legend")
  lines.filter((line) => line.name).forEach((line) => {
    const entry = make("div", "")
    const sample = draw("svg", { viewBox: "0 0 28 10", "aria-hidden": "true" })
    draw("line", { x1: 0, x2: 28, y1: 5, y2: 5, stroke: line.colour, "stroke-width": line.width, "stroke-dasharray": DASHES[line.dash] }, sample)
    entry.append(sample, line.name)
    legend.append(entry)
  })
  return legend
}

const render = (root, data) => {
  const width = Math.max(240, root.clientWidth), inner = width - LEFT - RIGHT
  const svg = draw("svg", { viewBox: `0 0 ${width} ${data.height}`, height: data.height, role: "img", "aria-label": data.alt })
  const hatch = draw("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, draw("defs", {}, svg))
  draw("line", { x1: 0, x2: 0, y1: 0, y2: 6, stroke: "var(--st-gray-text-color)", "stroke-width": 5 }, hatch)
  const x = (value) => LEFT + (inner * (value - data.x.low)) / (data.x.high - data.x.low)
  const count = data.panels.length, tall = (data.height - TOP - BOTTOM - GAP * (count - 1)) / count
  const spots = []
  data.panels.forEach((panel, number) => {
    const top = TOP + number * (tall + GAP), foot = top + tall
    const y = (value) => foot - (tall * (value - panel.y.low)) / (panel.y.high - panel.y.low)
    panel.y.ticks.forEach(([value, label]) => {
      draw("line", { class: "gridline", x1: LEFT, x2: LEFT + inner, y1: y(value), y2: y(value) }, svg)
      draw("text", { x: LEFT - 8, y: y(value), "text-anchor": "end", "dominant-baseline": "middle" }, svg, label)
    })
    draw("text", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(12 ${(top + foot) / 2}) rotate(-90)` }, svg, panel.y.title)
    data.x.ticks.forEach(([value]) => draw("line", { class: "tick", x1: x(value), x2: x(value), y1: foot, y2: foot + 4 }, svg))
    panel.bars.forEach((bars) => bars.y.forEach((value, at) => {
      const side = x(bars.low[at]) + 1, span = Math.max(1, x(bars.high[at]) - side - 1)
      draw("rect", { x: side, y: y(value), width: span, height: Math.max(0, foot - y(value)), stroke: "var(--st-gray-text-color)",
        fill: bars.hatched ? "url(#hatch)" : "var(--st-gray-text-color)", "fill-opacity": bars.hatched ? 1 : 0.45 }, svg)
      spots.push([side + span / 2, y(value), bars.says[at]])
    }))
    panel.lines.forEach((line) => {
      const points = line.x.map((value, at) => [x(value), y(line.y[at])])
      const shape = { fill: "none", stroke: line.colour, "stroke-width": line.width, "stroke-dasharray": DASHES[line.dash], "stroke-linejoin": "round" }
      if (line.width) draw("polyline", { points: points.map((point) => point.join(",")).join(" "), ...shape }, svg)
      line.low.forEach((value, at) => draw("line", { x1: points[at][0], x2: points[at][0], y1: y(value), y2: y(line.high[at]), stroke: line.colour, "stroke-width": 2 }, svg))
      points.forEach(([cx, cy], at) => {
        if (line.size) draw("circle", { cx, cy, r: line.size / 2, fill: line.colour, stroke: "var(--st-background-color)", "stroke-width": line.size > 10 ? 2.5 : 0 }, svg)
        if (line.says[at]) spots.push([cx, cy, line.says[at]])
      })
    })
  })
  data.x.ticks.forEach(([value, label]) => draw("text", { x: x(value), y: data.height - BOTTOM + 18, "text-anchor": "middle" }, svg, label))
  draw("text", { x: LEFT + inner / 2, y: data.height - 6, "text-anchor": "middle" }, svg, data.x.title)
  const tip = make("div", "tip", "")
  // a finger that taps moves nothing, and what it has read stays
  svg.onpointerdown = svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect(), scale = width / box.width
    const [px, py] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]
    const far = ([sx, sy]) => (sx - px) ** 2 + (sy - py) ** 2
    const near = spots.reduce((best, spot) => (best && far(best) <= far(spot) ? best : spot), null)
    tip.textContent = near && far(near) < 1600 ? near[2] : ""
    if (tip.textContent) {
      tip.style.left = `${Math.min(Math.max(near[0], 90), width - 90) / scale}px`
      // an SVG has no offsetTop
      tip.style.top = `${near[1] / scale + box.top - root.getBoundingClientRect().top}px`
    }
  }
  svg.onpointerleave = (event) => { if (event.pointerType !== "touch") tip.textContent = "" }
  const legend = keyOf(data.panels.flatMap((panel) => panel.lines))
  root.replaceChildren(...(legend.childElementCount ? [legend] : []), svg, tip)
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".plot")
  root.drawn = () => render(root, data)
  root.drawn()
  // a tab that opens, and a window that changes, give it another width
  if (!root.watching) {
    let width = root.clientWidth
    root.watching = new ResizeObserver(() => {
      if (root.clientWidth === width) return
      width = root.clientWidth
      root.drawn()
    })
    root.watching.observe(root)
  }
}
