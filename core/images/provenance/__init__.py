"""What a picture's file says of where it came from: claims that anybody can forge, one module a kind of evidence."""
