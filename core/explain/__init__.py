"""Why one image is called what it is called: Grad-CAM, LIME, how far they agree, and how they are drawn."""
