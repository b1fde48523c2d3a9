"""One neuron with the lecture's weights."""
from tools import examples, near


def run(gptc, work):
    def neuron(*words):
        row = gptc("run", examples / "neuron.gpt", "--data", examples / "neuron.csv", *words).table()[0]
        return float(row["weighed"]), float(row["y"])

    plain, rectified = neuron("--set", "bias=0")
    biased, _ = neuron()
    return [
        ("32, 107, 56, 11.2 give -26.598", f"{plain:.3f}", near(plain, -26.598, 1e-4)),
        ("with bias 0.25: -26.348", f"{biased:.3f}", near(biased, -26.348, 1e-4)),
        ("ReLU of it: 0", f"{rectified:g}", rectified == 0),
    ]
