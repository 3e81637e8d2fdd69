"""Hold questions that nothing in the data pack answers: half scenes, half subjects."""

from __future__ import annotations

_SCENES = """
a beekeeper opening a wooden hive
an astronaut repairing a satellite
a submarine breaking through arctic ice
a chess grandmaster pressing a clock
a dentist examining an x-ray of teeth
a glassblower shaping a vase in a furnace
a judge with a wig in a courtroom
a printing press with metal type
a ballerina lacing her shoes backstage
a potter at a spinning wheel
a lighthouse keeper polishing a lens
a surgeon in an operating theatre
a violin maker carving a scroll
an octopus hiding in a coral reef
a nurse giving a vaccination to an old man
penguins diving from an iceberg
a camel caravan crossing dunes
a hot air balloon being inflated at dawn
a telescope dome under the milky way
a herd of bison in a blizzard
a knight in armour jousting
a tailor measuring a suit
a cheese cellar with rows of wheels
a robot arm welding a frame
a microscope slide with stained cells
a weaver at a hand loom
a miner with a headlamp in a tunnel
a falconer with a hooded falcon
a wind tunnel smoke test of a bicycle helmet
an x-ray of a broken wrist
a hedgehog rolled up in autumn leaves
a shipwreck on the sea floor
a karaoke singer in a neon bar
a sumo wrestler throwing salt
a stained glass window of a saint
a potato harvest with a tractor at dusk
""".strip().splitlines()

_SUBJECTS = """
how to treat a wasp sting in small children
rules for inheritance tax on farmland
the plot of a novel by Jane Austen
best soil for growing blueberries
symptoms of iron deficiency
how do central banks set interest rates
history of the Ottoman navy
a recipe for sourdough rye bread
opening hours of the municipal library
what causes migraine with aura
refund policy for cancelled hotel bookings
how to prune an apple tree
the rules of offside in football
side effects of penicillin
minutes of the parish council meeting
how to conjugate irregular verbs in Portuguese
mortgage amortisation schedule
the migration of monarch butterflies
safety instructions for a pressure cooker
who composed the Brandenburg concertos
employment contract notice period
dosage of ibuprofen for adults
tide tables for the harbour of Bristol
the causes of the First World War
how to knit a cable stitch scarf
warranty terms of a washing machine
phases of mitosis in plant cells
visa requirements for students in Canada
the doctrine of precedent in common law
fermentation temperature of lager beer
how to change the brake pads of a bicycle
calories in a hundred grams of lentils
annual rainfall in the Sahel
how to register a trademark
the training plan for a first marathon
insurance claim after a burst water pipe
""".strip().splitlines()

OFF_TOPIC = (*_SCENES, *_SUBJECTS)
