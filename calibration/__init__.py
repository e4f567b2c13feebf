"""What is measured: cases of real engines, predictions beside them, and coefficients from them."""
