"""The card of an exported model: what it is, what it learned from and on which terms, how good it is, how it is used."""

import inspect
import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from lit_faces.data.batch import DataSpec
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies, Edits, Generates, Identifies, Labelled, Layered, Reconstructs
from lit_faces.methods.checkpoint import name_of
from lit_faces.studies.words import metric_words

_CMMA = (
    'G. Pandey and A. Dukkipati, "Variational methods for Conditional Multimodal Learning: Generating Human Faces from '
    'Attributes", arXiv 1603.01801, 2016'
)
_CSVAE = 'J. Klys, J. Snell and R. Zemel, "Learning Latent Subspaces in Variational Autoencoders", NeurIPS 2018, arXiv 1812.06190'
_IFCVAEGAN = (
    'A. Creswell, Y. Mohamied, B. Sengupta and A. A. Bharath, "Adversarial Information Factorization", 2018, '
    "arXiv 1711.05175"
)
_NO_PAPER = "no paper has it: lit_faces measures others with it"
PAPERS = {
    **dict.fromkeys(("CMMA", "CVAE", "CGAN"), _CMMA),
    "CMMA2": (
        'G. Pandey and A. Dukkipati, "Variational methods for Conditional Multimodal Deep Learning", arXiv 1603.01801, second '
        "version"
    ),
    "CGANGauthier": 'J. Gauthier, "Conditional generative adversarial nets for convolutional face generation", 2015',
    **dict.fromkeys(("VAE", "CondVAE", "CondVAEInfo", "CSVAE"), _CSVAE),
    **dict.fromkeys(("CVAEGAN", "IFcVAEGAN"), _IFCVAEGAN),
    "CVAEGANBao": (
        'J. Bao, D. Chen, F. Wen, H. Li and G. Hua, "CVAE-GAN: Fine-Grained Image Generation through Asymmetric Training", '
        "ICCV 2017, arXiv 1703.10155"
    ),
    "IcGAN": (
        'G. Perarnau, J. van de Weijer, B. Raducanu and J. M. Alvarez, "Invertible Conditional GANs for image editing", '
        "arXiv 1611.06355, 2016"
    ),
    "DIPVAE": (
        'A. Kumar, P. Sattigeri and A. Balakrishnan, "Variational Inference of Disentangled Latent Concepts from Unlabeled '
        'Observations", ICLR 2018, arXiv 1711.00848'
    ),
    "VLAE": (
        'S. Zhao, J. Song and S. Ermon, "Learning Hierarchical Features from Deep Generative Models", ICML 2017, '
        "arXiv 1702.08396"
    ),
    "MMDVLAE": (
        'H. Xu, "Generate Faces Using Ladder Variational Autoencoder with Maximum Mean Discrepancy (MMD)", Intelligent '
        "Information Management 10, 2018, doi 10.4236/iim.2018.104009"
    ),
    **dict.fromkeys(("AttributeClassifier", "IdentityEmbedding"), _NO_PAPER),
}


@dataclass(frozen=True)
class Terms:
    """The licence of weights as the Hugging Face Hub writes it, its name and address if it is none of the usual ones, and the
    terms of the data in words.
    """

    licence: str
    words: str
    name: str | None = None
    link: str | None = None


_DRAWN = Terms("mit", "The pictures are drawn by lit_faces; they show nobody, and have its licence.")
_TERMS = {
    **dict.fromkeys(("Synthetic", "Expressions", "Digits"), _DRAWN),
    "SwissRoll": Terms("mit", "The data are drawn numbers."),
    "LFW": Terms(
        "other",
        "News photographs of real, named people, who did not consent to this use. Their copyright stays with its holders: for "
        "research only, and the attributes for non-commercial use only.",
        "lfw-research-only",
        "http://vis-www.cs.umass.edu/lfw/",
    ),
    "CelebA": Terms(
        "other",
        "Photographs of celebrities, found on the internet, who did not consent to this use: for non-commercial research only. "
        "Its authors forbid to copy, publish or distribute any part of the images; read their terms before you pass on what "
        "was made of them.",
        "celeba-non-commercial-research-only",
        "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    ),
    "MNIST": Terms("cc-by-sa-3.0", "Handwritten digits; the licence usually given for them is CC BY-SA 3.0."),
    "TFD": Terms(
        "other",
        "Photographs that their authors (University of Toronto) license and that must not be passed on: for research only, and "
        "on the terms of that licence.",
        "tfd-authors-licence",
    ),
}
_UNKNOWN = Terms(
    "other",
    "lit_faces does not know the terms of these data. Whoever exported the model answers for them: write here whose pictures "
    "they are, what the people in them agreed to, and what may be done with the weights.",
    "terms-of-the-data",
)


_MEANT = """For research on generative models. The pictures are small, and their faces are those that the data have: what the
model does with other people, poses or light, nobody has measured. It repeats the biases of its data, and an attribute is
what somebody, or a classifier, saw in a picture, not what a person is.

Not for recognising or judging people, not for deciding anything about them, and not for passing off edited pictures of
real people as true."""


def model_card(checkpoint: dict[str, Any], method: Method, record: dict[str, Any] | None) -> str:
    """The card of a checkpoint, as Markdown with the front matter of the Hugging Face Hub.

    `method` is what the checkpoint holds, `record` what was measured on it, if anything.
    """
    about = checkpoint["lit_faces"]
    name, spec = name_of(about), DataSpec.from_dict(about["data"])
    terms = _TERMS.get(spec.name, _UNKNOWN)
    front = {
        "license": terms.licence,
        **({"license_name": terms.name} if terms.name else {}),
        **({"license_link": terms.link} if terms.link else {}),
        "library_name": "lit_faces",
        "pipeline_tag": _pipeline(method),
        "tags": ["lit_faces", name, spec.name, "pytorch-lightning"],
    }
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {name} on {spec.name}",
        _first_paragraph(type(method)),
        f"Paper: {PAPERS.get(name, 'its authors know')}.",
        f"## Data and terms\n\n{_data(spec)} {terms.words}",
        f"Attributes: {', '.join(spec.attributes)}.",
        *_labels(method),
        f"## Training\n\n{_training(checkpoint.get('training'), about)}",
        f"## Measured\n\n{_measured(record)}",
        f"## Use\n\n{_use(name, method, spec)}",
        f"## Meant for, and limits\n\n{_MEANT}",
    ]
    return "\n\n".join(parts) + "\n"


def _first_paragraph(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def _labels(method: object) -> list[str]:
    return [f"The model is about: {', '.join(method.labels)}."] if isinstance(method, Labelled) else []


def _pipeline(method: object) -> str:
    if isinstance(method, Classifies):
        return "image-classification"
    if isinstance(method, Identifies):
        return "image-feature-extraction"
    if isinstance(method, Generates) and not isinstance(method, Edits):
        return "unconditional-image-generation"
    return "image-to-image"


def _data(spec: DataSpec) -> str:
    channels, height, width = spec.image_shape
    shape = f"{spec.name}, {width} x {height} pixels of {channels} channel{'s' if channels > 1 else ''}"
    rows = [f"{count:,} {split}" for split, count in spec.manifest.get("rows", {}).items()]
    return f"{shape}: {', '.join(rows)}." if rows else f"{shape}."


def _training(training: dict[str, Any] | None, about: dict[str, Any]) -> str:
    arguments = ", ".join(f"`{key}` {value}" for key, value in about["arguments"].items())
    made = f"lit_faces {about.get('version')}; arguments: {arguments or 'none'}."
    if training is None:
        return f"How long it was trained is not known. {made}"
    return (
        f"{training['epochs']:,} epochs, {training['batches']:,} steps, {training['seconds'] / 3600:.1f} hours, "
        f"{training['precision']}. {made}"
    )


def _measured(record: dict[str, Any] | None) -> str:
    if record is None:
        return "Nothing was measured on this checkpoint: there is no record of a test of it."
    rows = [
        f"| {metric_words(m['metric'])} | {m['value']:.4g} | "
        f"{'' if m['stderr'] is None else format(m['stderr'], '.2g')} | {m['n']:,} | {m['unit']} |"
        for m in record["measurements"]
    ]
    return "\n".join(
        [
            "On the test split, which was used for nothing else; one run, and the error is one standard error over test faces.\n",
            "| metric | value | error | n | unit |",
            "| --- | --- | --- | --- | --- |",
            *rows,
        ]
    )


def _use(name: str, method: object, spec: DataSpec) -> str:
    module = type(method).__module__
    is_own = module.partition(".")[0] != "lit_faces"
    python = [
        "from lit_faces.methods import load_method",
        f'method = load_method("FOLDER"{f", {name}" if is_own else ""})',
    ]
    python = [f"from {module} import {name}", *python] if is_own else python
    folder = f"--checkpoint FOLDER --method {module}.{name}" if is_own else "--checkpoint FOLDER"
    verbs: list[str] = []
    some = (method.labels if isinstance(method, Labelled) else spec.attributes)[0]
    if isinstance(method, Edits):
        verbs.append(f"lit-faces edit PHOTO {folder} --set {shlex.quote(some)} -o OUT.png")
    if isinstance(method, Generates):
        others = ', others="expected"' if spec.covariance else ""
        python.append(f"attributes = method.spec.vector(on=[{some!r}]{others})[None]")
        python.append("image = method.generate(attributes, attributes.new_zeros(1, method.noise_dim))")
        verbs.append(f"lit-faces generate {folder} --set {shlex.quote(some)} -o OUT.png")
    elif isinstance(method, Classifies):
        python.append(
            "probabilities = method.probabilities(images)  # of each attribute, of images (B, C, H, W) in [0, 1]"
        )
    elif isinstance(method, Identifies):
        python.append("vectors = method.embed(images)  # near each other for one person, images (B, C, H, W) in [0, 1]")
    elif isinstance(method, Reconstructs):
        python.append("again = method.reconstruct(images, attributes)  # images (B, C, H, W) in [0, 1]")
    if isinstance(method, Layered):
        verbs.append(f"lit-faces arithmetic A.png B.png C.png {folder} -o OUT.png")
    blocks = [f"FOLDER is where these files are.\n\n```python\n{chr(10).join(python)}\n```"]
    return "\n\n".join([*blocks, *([f"```sh\n{chr(10).join(verbs)}\n```"] if verbs else [])])
