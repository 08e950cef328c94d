// Brings what has an id into view as soon as it is there. data: {to, count}

const WAIT = 100
const TRIES = 100

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".scroll")
  // what is called again before it was loaded is cleaned up for the first call only
  const mine = (root.mine = {})
  const stop = () => {
    if (root.mine === mine) clearTimeout(root.timer)
  }
  // Streamlit calls this again where the theme changes, too
  if (root.done === data.count) return stop
  root.done = data.count
  let tries = 0
  const look = () => {
    const found = document.getElementById(data.to)
    if (found) {
      // the next Tab goes on from there
      found.tabIndex = -1
      found.focus({ preventScroll: true })
      found.scrollIntoView({ block: "start" })
    } else if (++tries < TRIES) root.timer = setTimeout(look, WAIT)
  }
  // what stood here before may be about to go
  root.timer = setTimeout(look, WAIT)
  return stop
}
