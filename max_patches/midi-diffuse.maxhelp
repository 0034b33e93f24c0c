{
	"patcher": {
		"fileversion": 1,
		"appversion": {"major": 8, "minor": 5, "revision": 0, "architecture": "x64", "modernui": 1},
		"classnamespace": "box",
		"rect": [60.0, 80.0, 680, 300],
		"bglocked": 0,
		"openinpresentation": 1,
		"default_fontsize": 12.0,
		"default_fontface": 0,
		"default_fontname": "Arial",
		"gridonopen": 1,
		"gridsize": [15.0, 15.0],
		"description": "Help for midi-diffuse",
		"boxes": [
			{"box": {"fontface": 1, "fontsize": 22.0, "id": "obj-1", "maxclass": "comment", "numinlets": 1, "numoutlets": 0, "patching_rect": [20, 10, 300, 33], "presentation": 1, "presentation_rect": [20, 12, 300, 33], "text": "midi-diffuse"}},
			{"box": {"id": "obj-2", "maxclass": "comment", "numinlets": 1, "numoutlets": 0, "patching_rect": [20, 60.0, 640, 20], "presentation": 1, "presentation_rect": [20, 56.0, 640, 20], "text": "1  In a terminal: midi-diffuse serve"}},
			{"box": {"id": "obj-3", "maxclass": "comment", "numinlets": 1, "numoutlets": 0, "patching_rect": [20, 86.0, 640, 20], "presentation": 1, "presentation_rect": [20, 82.0, 640, 20], "text": "2  Open midi-diffuse.maxpat. The light turns on when midi-diffuse answers."}},
			{"box": {"id": "obj-4", "maxclass": "comment", "numinlets": 1, "numoutlets": 0, "patching_rect": [20, 112.0, 640, 20], "presentation": 1, "presentation_rect": [20, 108.0, 640, 20], "text": "3  Send notes to its MIDI port `midi-diffuse in`, or over OSC by the switch in the patch."}},
			{"box": {"id": "obj-5", "maxclass": "comment", "numinlets": 1, "numoutlets": 0, "patching_rect": [20, 138.0, 640, 20], "presentation": 1, "presentation_rect": [20, 134.0, 640, 20], "text": "4  Hear the reply: from its port `midi-diffuse out`, or by the other switch."}},
			{"box": {"id": "obj-6", "maxclass": "comment", "numinlets": 1, "numoutlets": 0, "patching_rect": [20, 164.0, 640, 20], "presentation": 1, "presentation_rect": [20, 160.0, 640, 20], "text": "5  Press start, or send MIDI clock; play. Every address is in OSC.md. Try some here:"}},
			{"box": {"id": "obj-7", "maxclass": "newobj", "numinlets": 1, "numoutlets": 0, "patching_rect": [20, 420, 156.8, 22.0], "text": "udpsend 127.0.0.1 9000"}},
			{"box": {"id": "obj-8", "maxclass": "message", "numinlets": 2, "numoutlets": 1, "outlettype": [""], "patching_rect": [20.0, 210.0, 200.0, 22.0], "presentation": 1, "presentation_rect": [20.0, 210.0, 200.0, 22.0], "text": "/diffuse/mode continue"}},
			{"box": {"id": "obj-9", "maxclass": "message", "numinlets": 2, "numoutlets": 1, "outlettype": [""], "patching_rect": [230.0, 210.0, 200.0, 22.0], "presentation": 1, "presentation_rect": [230.0, 210.0, 200.0, 22.0], "text": "/diffuse/chord C E G"}},
			{"box": {"id": "obj-10", "maxclass": "message", "numinlets": 2, "numoutlets": 1, "outlettype": [""], "patching_rect": [440.0, 210.0, 200.0, 22.0], "presentation": 1, "presentation_rect": [440.0, 210.0, 200.0, 22.0], "text": "/diffuse/chord off"}},
			{"box": {"id": "obj-11", "maxclass": "message", "numinlets": 2, "numoutlets": 1, "outlettype": [""], "patching_rect": [20.0, 250.0, 200.0, 22.0], "presentation": 1, "presentation_rect": [20.0, 250.0, 200.0, 22.0], "text": "/diffuse/density 6."}},
			{"box": {"id": "obj-12", "maxclass": "message", "numinlets": 2, "numoutlets": 1, "outlettype": [""], "patching_rect": [230.0, 250.0, 200.0, 22.0], "presentation": 1, "presentation_rect": [230.0, 250.0, 200.0, 22.0], "text": "/diffuse/start"}},
			{"box": {"id": "obj-13", "maxclass": "message", "numinlets": 2, "numoutlets": 1, "outlettype": [""], "patching_rect": [440.0, 250.0, 200.0, 22.0], "presentation": 1, "presentation_rect": [440.0, 250.0, 200.0, 22.0], "text": "/diffuse/panic"}}
		],
		"lines": [
			{"patchline": {"destination": ["obj-7", 0], "source": ["obj-8", 0]}},
			{"patchline": {"destination": ["obj-7", 0], "source": ["obj-9", 0]}},
			{"patchline": {"destination": ["obj-7", 0], "source": ["obj-10", 0]}},
			{"patchline": {"destination": ["obj-7", 0], "source": ["obj-11", 0]}},
			{"patchline": {"destination": ["obj-7", 0], "source": ["obj-12", 0]}},
			{"patchline": {"destination": ["obj-7", 0], "source": ["obj-13", 0]}}
		],
		"dependency_cache": [],
		"autosave": 0
	}
}
