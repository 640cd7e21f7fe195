"""Network graphs: backbone, neck, head, each a functional Keras graph."""
