"""What turns an image into a feature map: a Keras model named "body", from (n, px, px, 3) in [0, 1] to (n, h, w, c)."""
