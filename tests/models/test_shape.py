import torch

from cryoal.models.shape import LIMIT, Whitening


def test_whitened_columns_lose_mean_scale_and_correlation():
    generator = torch.Generator().manual_seed(0)
    mix = torch.tensor([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 10.0, 20.0]])
    layer = Whitening(3).train()
    for _ in range(300):
        layer(torch.randn(32, 3, generator=generator) @ mix.T + 100)
    white = layer.eval()(torch.randn(5000, 3, generator=generator) @ mix.T + 100)
    assert white.mean(0).abs().max() < 0.2
    off_diagonal = torch.cov(white.T) - torch.diag(torch.cov(white.T).diagonal())
    assert off_diagonal.abs().max() < 0.15
    assert (torch.cov(white.T).diagonal() - 1).abs().max() < 0.3


def test_a_monster_is_clipped_and_leaves_no_trace_in_evaluation():
    layer = Whitening(2).eval()
    before = layer.covariance.clone()
    assert layer(torch.tensor([[1e9, 0.0]])).abs().max() == LIMIT
    assert torch.equal(layer.covariance, before)
