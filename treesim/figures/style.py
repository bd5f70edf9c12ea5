"""The colours of figures and pages."""

BLUE, ORANGE, GREEN, GREY, PURPLE, NAVY = "#2a6fbb", "#d95f02", "#1b9e77", "#777777", "#aa3377", "#222255"
