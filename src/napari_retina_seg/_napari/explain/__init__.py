"""The Explain dock and its saliency layers."""
