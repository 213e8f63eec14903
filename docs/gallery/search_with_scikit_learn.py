"""
A search over settings with scikit-learn
========================================

The estimators of `bpx.sklearn` are scikit-learn's own kind: they go through its pipelines, its cross-validation and
its searches.
"""

import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bpx
from bpx.sklearn import MLPClassifier

x, y = bpx.datasets.moons(300, noise=0.3, seed=0)
estimator = make_pipeline(
    StandardScaler(), MLPClassifier(learning_rate_init=0.01, max_iter=500, tol=1e-3, random_state=0)
)
sizes, strengths = [(4,), (16,), (64,)], [1e-4, 1e-1, 1.0]
grid = {"mlpclassifier__hidden_layer_sizes": sizes, "mlpclassifier__alpha": strengths}
search = GridSearchCV(estimator, grid, cv=3).fit(x, y)

scores = search.cv_results_["mean_test_score"].reshape(len(strengths), len(sizes))
figure, ax = plt.subplots(figsize=(5.6, 4), layout="constrained")
image = ax.imshow(scores, cmap="Blues", vmax=scores.max() + 0.02)
for i, row in enumerate(scores):
    for j, score in enumerate(row):
        ax.text(j, i, f"{score:.1%}", ha="center", va="center")
ax.set(xticks=range(len(sizes)), xticklabels=[size[0] for size in sizes], xlabel="hidden units")
ax.set(yticks=range(len(strengths)), yticklabels=strengths, ylabel="alpha (L2 penalty)")
figure.colorbar(image, label="accuracy, mean of 3 folds")
plt.show()

# %%
print(search.best_params_)
