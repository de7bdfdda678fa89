"""From an idea to photos: download a list of URLs, and search for openly licensed photos.

addresses    which addresses are public
failures     why an image was not kept
resolving    the name of a host -> the addresses of it that may be connected to
connection   one HTTP/1.1 connection
transport    httpx's connections: each leads to an address that was checked
body         the body of a response, within limits
agent        what this program calls itself
robots       what robots.txt and X-Robots-Tag say
queues       whose turn it is: connections for each host, pauses, hosts that do not answer
images       bytes -> an image that is kept, and its name
urls         the list of URLs; labels that are folders
journal      the fate of every URL, on the disk
keeping      which image is kept where: each content once
fetching     one URL -> its image, or why there is none
download     all of that in order
summary      what came of it, for a person and as JSON
photos       a photo as a provider describes it, and what a provider is
limits       how many requests a provider allows
openverse, wikimedia   the providers
attribution  attribution.csv
search       words -> photos
"""
