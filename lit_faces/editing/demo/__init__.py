"""The web page: faces, sliders, and what each model makes of them."""
