// Brings what has an id into view as soon as it is there. data: {to, count}

const WAIT = 100
const TRIES = 100

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".scroll")
  // Streamlit calls this again where the theme changes, too
  if (root.done === data.count) return root.stop
  root.done = data.count
  let tries = 0
  let timer = null
  const look = () => {
    const found = document.getElementById(data.to)
    if (found) found.scrollIntoView({ block: "start" })
    else if (++tries < TRIES) timer = setTimeout(look, WAIT)
  }
  // what stood here before may be about to go
  timer = setTimeout(look, WAIT)
  return (root.stop = () => clearTimeout(timer))
}
