// An image with a square that can be dragged, resized at its corner, and moved by keys.
// data: {key, source, width, height, place: [x, y, zoom] or null for all of it, first: the place before it was moved,
// least, most: zoom, alt}; sends `place` once a movement has ended, [] for the first

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
const SIZES = { "+": 1.1, "=": 1.1, "-": 1 / 1.1, _: 1 / 1.1 }
// of the room that the square has, a key's press moves it by so much, with Shift by more
const STEP = 0.02
const FAR = 0.1
// milliseconds without a key after which a movement by keys has ended
const PAUSE = 120

// image -> how its square is being moved, which outlives a page that is drawn again in the midst of it
const movements = new Map()

const clamp = (value, low, high) => Math.min(high, Math.max(low, value))

const build = (root) => {
  const frame = make("div", "frame")
  frame.tabIndex = 0
  frame.setAttribute("role", "application")
  frame.setAttribute("aria-roledescription", "crop")
  const image = make("img", "")
  image.draggable = false
  const square = make("div", "square")
  const corner = make("div", "corner")
  square.append(corner)
  frame.append(image, square)
  const spoken = make("div", "spoken")
  spoken.setAttribute("aria-live", "polite")
  const hint = make("div", "quiet hint")
  root.replaceChildren(frame, spoken, hint)
  return { frame, image, square, corner, spoken, hint }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".crop")
  if (!movements.has(data.key)) {
    // two are shown at a time, and each holds its picture
    if (movements.size > 1) {
      const [oldest] = movements.keys()
      clearTimeout(movements.get(oldest).timer)
      movements.delete(oldest)
    }
    movements.set(data.key, { told: "" })
  }
  const movement = movements.get(data.key)
  const built = !root.parts
  const parts = (root.parts ??= build(root))
  const { frame, image, square, corner, spoken, hint } = parts
  // of some squares only the place can be chosen
  const sized = data.least < data.most
  corner.hidden = !sized
  hint.textContent = sized
    ? "Drag the square or its corner. Keys: arrows, + and −; 0 puts it back."
    : "Drag the square. Keys: arrows; 0 puts it back."
  const keys = `Arrow keys move it,${sized ? " plus and minus size it," : ""} 0 puts it back.`
  if (built) spoken.textContent = movement.told
  // a drag has ended with the element that was dragged
  if (built && !movement.timer) movement.moving = false
  // keys go on where they were, unless the focus has gone elsewhere
  const active = document.activeElement
  if (built && movement.keyed && (active === document.body || active?.shadowRoot?.querySelector(".crop")))
    frame.focus({ preventScroll: true })
  if (image.src !== data.source) image.src = data.source
  image.alt = data.alt
  // as wide as there is room, and no higher than the pictures beside it
  frame.style.width = `min(100%, ${(22 * data.width) / data.height}rem)`
  frame.style.aspectRatio = `${data.width} / ${data.height}`
  // what is being moved is not put back by an answer to an earlier movement
  if (!movement.moving) movement.place = data.place && [...data.place]

  const shorter = Math.min(data.width, data.height)
  // pixels of the image: the square's side, and the room it has along each axis
  const side = () => shorter / movement.place[2]
  const room = () => [data.width - side(), data.height - side()]
  const corners = () => room().map((free, axis) => free * movement.place[axis])

  const show = () => {
    if (!movement.place) {
      Object.assign(square.style, { left: 0, top: 0, width: "100%", height: "100%" })
      frame.setAttribute("aria-label", `${data.alt}. Arrow keys move a square, plus and minus size it, 0 puts it back.`)
      return "All of it"
    }
    const [left, top] = corners()
    square.style.left = `${(100 * left) / data.width}%`
    square.style.top = `${(100 * top) / data.height}%`
    square.style.width = `${(100 * side()) / data.width}%`
    square.style.height = `${(100 * side()) / data.height}%`
    const told = `${Math.round(side())} pixels, from the left ${Math.round(left)}, from the top ${Math.round(top)}`
    frame.setAttribute("aria-label", `${data.alt}: ${told}. ${keys}`)
    return told
  }
  const put = (left, top) => {
    room().forEach((free, axis) => {
      movement.place[axis] = free > 0.5 ? clamp([left, top][axis] / free, 0, 1) : 0.5
    })
    show()
  }
  const resize = (zoom, left, top) => {
    movement.place[2] = clamp(zoom, data.least, data.most)
    put(left, top)
  }
  const begin = () => {
    movement.moving = true
    movement.place ??= [0.5, 0.5, data.least]
  }
  const putBack = () => {
    clearTimeout(movement.timer)
    movement.moving = false
    movement.timer = null
    movement.place = data.first && [...data.first]
    show()
    spoken.textContent = movement.told = "Put back"
    setTriggerValue("place", [])
  }
  const send = () => {
    movement.moving = false
    movement.timer = null
    spoken.textContent = movement.told = show()
    setTriggerValue("place", movement.place.map((value) => Math.round(value * 1e4) / 1e4))
  }
  movement.send = send
  const at = (event) => {
    const box = frame.getBoundingClientRect()
    const scale = data.width / box.width
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]
  }

  frame.onpointerdown = (event) => {
    if (event.button !== 0 || !event.isPrimary) return
    movement.keyed = false
    event.preventDefault()
    frame.focus()
    frame.setPointerCapture(event.pointerId)
    const [x, y] = at(event)
    const before = movement.place
    begin()
    const [left, top] = corners()
    const sizes = event.target === corner
    const inside = x >= left && y >= top && x <= left + side() && y <= top + side()
    // a press beside the square brings its middle there
    const grip = inside ? [x - left, y - top] : [side() / 2, side() / 2]
    let changes = !inside && !sizes
    frame.onpointermove = (moved) => {
      if (!moved.isPrimary) return
      changes = true
      const [toX, toY] = at(moved)
      if (sizes) {
        const wanted = Math.max(toX - left, toY - top, 1)
        const fits = Math.min(wanted, data.width - left, data.height - top)
        resize(shorter / fits, left, top)
      } else {
        put(toX - grip[0], toY - grip[1])
      }
    }
    if (changes) put(x - grip[0], y - grip[1])
    frame.onpointerup = frame.onpointercancel = (ended) => {
      if (!ended.isPrimary) return
      frame.onpointermove = frame.onpointerup = frame.onpointercancel = null
      if (changes) return send()
      // a click, which chooses nothing
      movement.moving = Boolean(movement.timer)
      movement.place = before
      show()
    }
  }
  frame.ondblclick = putBack
  frame.onkeydown = (event) => {
    const move = MOVES[event.key]
    const size = SIZES[event.key]
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (move || size || event.key === "0") movement.keyed = true
    if (event.key === "0") putBack()
    if (!move && !size) return
    event.preventDefault()
    begin()
    const [left, top] = corners()
    if (move) {
      const step = (event.shiftKey ? FAR : STEP) * shorter
      put(left + move[0] * step, top + move[1] * step)
    } else {
      const before = side()
      const after = shorter / clamp(movement.place[2] * size, data.least, data.most)
      resize(movement.place[2] * size, left + (before - after) / 2, top + (before - after) / 2)
    }
    clearTimeout(movement.timer)
    movement.timer = setTimeout(() => movement.send(), PAUSE)
  }
  show()
}
