"""The face models: detector, descriptor, age and gender, run by OpenCV in workers and commands only."""
