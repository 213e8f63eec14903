"""The notebook's own loop in plain NumPy, as it was published, and with its biases trained too."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_derivative(p):
    return p * (1 - p)


def start(seed=0):
    """Draw w1, w2, b1, b2 as the notebook does after ``np.random.seed(seed)``."""
    draw = np.random.RandomState(seed).uniform
    return draw(size=(2, 2)), draw(size=(2, 1)), draw(size=(1, 2)), draw(size=(1, 1))


def notebook_loop(epochs=10_000, seed=0, learning_rate=0.5, *, biases=False):
    """Return what the notebook prints after so many epochs: the outputs of the last epoch's forward pass."""
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    expected_output = np.array([[0], [1], [1], [0]])
    hidden_weights, output_weights, hidden_bias, output_bias = start(seed)
    for _ in range(epochs):
        hidden_layer_activation = np.dot(inputs, hidden_weights)
        hidden_layer_activation += hidden_bias
        hidden_layer_output = sigmoid(hidden_layer_activation)

        output_layer_activation = np.dot(hidden_layer_output, output_weights)
        output_layer_activation += output_bias
        predicted_output = sigmoid(output_layer_activation)

        error = expected_output - predicted_output
        d_predicted_output = error * sigmoid_derivative(predicted_output)
        error_hidden_layer = d_predicted_output.dot(output_weights.T)
        d_hidden_layer = error_hidden_layer * sigmoid_derivative(hidden_layer_output)

        output_weights += hidden_layer_output.T.dot(d_predicted_output) * learning_rate
        hidden_weights += inputs.T.dot(d_hidden_layer) * learning_rate
        if biases:
            output_bias += np.sum(d_predicted_output, axis=0, keepdims=True) * learning_rate
            hidden_bias += np.sum(d_hidden_layer, axis=0, keepdims=True) * learning_rate
    return predicted_output[:, 0]
