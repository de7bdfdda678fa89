"""How far a model's probabilities can be trusted, and when it does not answer: arrays in, numbers out.

folds              parts of the images, so that none is judged by what was fitted on it
cross_fitting      images, each calibrated by what was fitted on the other parts
calibration_error  probabilities against the fraction of predictions that are right
coverage           the error among the most certain images
reliability        all of this for one model file, as metrics.json has it
risk               the smallest threshold on the certainty whose answers have at most so many errors
conformal          sets of labels that hold the right one with a probability
limits             both for one model file, as spec.json and metrics.json have them
"""
