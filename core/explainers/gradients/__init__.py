"""Methods that read a network from inside: class activation maps and Integrated Gradients."""
