"""Writes leaf.csv: what 240 leaves and flowers might measure. Made up, and always the same.

A leaf is green and thin; a flower is bright, and there is more of it. Each measure scatters, so that a few of
either kind look like the other. usage: python3 examples/leaf.py > examples/leaf.csv
"""
import random

# mean and spread of red, green, blue (0 to 255) and volume (cubic centimetres)
kinds = {"leaf": [(45, 22), (115, 28), (50, 20), (11, 5)], "flower": [(205, 45), (130, 50), (90, 50), (38, 14)]}

random.seed(7)
print("red,green,blue,volume,kind")
rows = [kind for kind in kinds for _ in range(120)]
random.shuffle(rows)
for kind in rows:
    *colours, volume = [random.gauss(mean, spread) for mean, spread in kinds[kind]]
    numbers = [str(min(255, max(0, round(c)))) for c in colours] + [f"{max(0.5, volume):.1f}"]
    print(",".join(numbers + [kind]))
