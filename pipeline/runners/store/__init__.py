"""An output directory on an object store: worked on in a folder of this machine, and published after each step."""
