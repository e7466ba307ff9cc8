"""What a run is among several workers, as a model that spin searches through, and what holds the model and the program together."""
