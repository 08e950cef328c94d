// Images as buttons, where they are selectable with a box each.
// data: {tiles: [{id, source, said, wrong, name, label, tags, twice}], picked: [id], most: how many can be,
//   0 for none, tile, current: the id that the page is about, strip: beside it}

const COLUMNS = [12, 8, 6, 4, 3, 2, 1]
const WALK = { ArrowRight: 1, ArrowLeft: -1, n: 1, p: -1, N: 1, P: -1 }
// elements that have a use for these keys themselves
const BUSY = "input, textarea, select, [contenteditable], [role=application], [role=radiogroup], [role=tablist], [role=listbox]"
const KEYS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".grid")
  root.setAttribute("role", "list")
  const selects = data.most ? ", Space selects" : ""
  root.setAttribute("aria-label", `Images. Arrow keys go from one to the next, Enter opens${selects}.`)
  root.style.setProperty("--tile", `${data.tile}px`)
  root.classList.toggle("crisp", data.crisp)
  root.classList.toggle("strip", data.strip)
  // so many columns that a page of 24, 48 or 96 fills its last row
  const fit = () => {
    const gap = 14
    const most = Math.max(1, Math.floor((root.clientWidth + gap) / (data.tile + gap)))
    root.style.setProperty("--columns", COLUMNS.find((count) => count <= most))
  }
  fit()
  root.watcher?.disconnect()
  root.watcher = new ResizeObserver(fit)
  root.watcher.observe(root)
  // an answer to an earlier tick does not undo a later one
  const late = root.sent && performance.now() - root.sent.at < 3000 && root.sent.ids.join() !== data.picked.join()
  if (!late) root.sent = null
  const picked = new Set(late ? root.sent.ids : data.picked)
  root.classList.toggle("picking", picked.size > 0)

  const say = (open, tile) => open.setAttribute("aria-label", picked.has(tile.id) ? `${tile.label} Selected.` : tile.label)

  const selector = (tile, box) => {
    const pick = make("label", "pick")
    const check = make("input", "")
    check.type = "checkbox"
    // the keyboard has Space on the tile
    check.tabIndex = -1
    check.checked = picked.has(tile.id)
    check.setAttribute("aria-label", `Select ${tile.name}`)
    check.onchange = () => {
      if (check.checked && picked.size >= data.most) {
        check.checked = false
        return
      }
      check.checked ? picked.add(tile.id) : picked.delete(tile.id)
      box.classList.toggle("picked", check.checked)
      say(box.querySelector(".open"), tile)
      root.classList.toggle("picking", picked.size > 0)
      clearTimeout(root.again)
      root.sent = { ids: [...picked], at: performance.now() }
      setTriggerValue("pick", root.sent.ids)
    }
    pick.append(check)
    return pick
  }

  // the whole grid is one stop of the Tab key: the tile that had the focus last
  const stopAt = (open) => {
    root.querySelectorAll('.open[tabindex="0"]').forEach((other) => (other.tabIndex = -1))
    if (open) open.tabIndex = 0
  }

  const draw = (tile) => {
    const marked = picked.has(tile.id) || tile.id === data.current
    const box = make("div", marked ? "tile picked" : "tile")
    box.dataset.id = tile.id
    box.setAttribute("role", "listitem")
    const open = make("button", `open ${tile.said} ${tile.wrong ? "wrong" : ""}`)
    open.type = "button"
    say(open, tile)
    open.tabIndex = -1
    if (data.most) open.setAttribute("aria-keyshortcuts", "Space")
    if (data.current) open.setAttribute("aria-pressed", String(tile.id === data.current))
    open.title = tile.name
    if (tile.source) {
      const image = make("img", "")
      image.src = tile.source
      image.alt = ""
      open.append(image)
    } else {
      open.append(make("div", "none quiet", "picture not available"))
    }
    open.onfocus = () => stopAt(open)
    open.onclick = () => setTriggerValue("open", tile.id)
    // drawn by the style sheet: the label says the verdict in a word
    open.dataset.letter = tile.said[0]
    if (tile.twice) open.append(make("span", "twice", "twice"))
    box.append(open, ...(data.most ? [selector(tile, box)] : []))
    if (tile.tags.length) box.append(make("div", "tags", tile.tags.map((tag) => `#${tag}`).join(" ")))
    return box
  }

  root.onkeydown = (event) => {
    // Back and the like are the browser's
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const tiles = [...root.querySelectorAll(".open")]
    const at = tiles.indexOf(event.target)
    if (at < 0) return
    const columns = getComputedStyle(root).gridTemplateColumns.split(" ").length
    const step = { ...KEYS, ArrowDown: columns, ArrowUp: -columns }[event.key]
    if (step !== undefined) {
      event.preventDefault()
      event.stopPropagation()
      tiles[Math.min(tiles.length - 1, Math.max(0, at + step))].focus()
    } else if (event.key === " " && data.most) {
      // or the button would take it for a click
      event.preventDefault()
      event.target.closest(".tile").querySelector("input").click()
    }
  }
  root.onkeyup = (event) => {
    if (event.key === " " && data.most && event.target.classList.contains("open")) event.preventDefault()
  }

  const find = (id, part = ".open") => id && root.querySelector(`[data-id="${CSS.escape(id)}"] ${part}`)
  const active = parentElement.activeElement
  const focused = active?.closest(".tile")?.dataset.id
  const onBox = active?.tagName === "INPUT"
  const stop = root.querySelector('.open[tabindex="0"]')?.closest(".tile").dataset.id
  root.replaceChildren(...data.tiles.map(draw))
  clearTimeout(root.again)
  if (late) {
    // where no answer comes, what the server has holds
    root.again = setTimeout(() => {
      root.sent = null
      picked.clear()
      data.picked.forEach((id) => picked.add(id))
      root.classList.toggle("picking", picked.size > 0)
      const at = parentElement.activeElement
      const held = at?.closest(".tile")?.dataset.id
      const last = root.querySelector('.open[tabindex="0"]')?.closest(".tile").dataset.id
      root.replaceChildren(...data.tiles.map(draw))
      stopAt(find(held) || find(last) || root.querySelector(".open"))
      if (held) find(held, at.tagName === "INPUT" ? "input" : ".open")?.focus({ preventScroll: true })
    }, 3000)
  }
  stopAt(find(stop) || find(data.current) || root.querySelector(".open"))
  if (focused) find(focused, onBox ? "input" : ".open")?.focus({ preventScroll: true })

  const walk = (event) => {
    const step = WALK[event.key]
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return
    if (event.composedPath().some((element) => element.matches?.(BUSY))) return
    event.preventDefault()
    setTriggerValue("walk", step)
  }
  document.removeEventListener("keydown", root.walk)
  root.walk = walk
  if (!data.strip) return
  document.addEventListener("keydown", walk)
  const current = find(data.current)
  if (current) {
    root.scrollTo(current.offsetParent.offsetLeft - root.clientWidth / 2, current.offsetParent.offsetTop - root.clientHeight / 2)
  }
  return () => document.removeEventListener("keydown", walk)
}
