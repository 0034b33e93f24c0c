ardour {
	["type"]    = "EditorAction",
	name        = "midi-diffuse on region",
	license     = "MIT",
	author      = "midi-diffuse",
	description = [[
Runs midi-diffuse on the selected MIDI regions: harmonize, continue, vary or infill. What it plays
goes on a new MIDI track, in time with the region. Install midi-diffuse first, so that the command
`midi-diffuse` works in a terminal; or set the environment variable MIDI_DIFFUSE to its path.
]]
}

function action_params ()
	return {
		["command"] = { title = "harmonize, continue, vary or infill", default = "harmonize" },
		["options"] = { title = "Options, as on the command line", default = "--preset default" },
	}
end

-- Everything is inside: Ardour keeps the function alone.
function factory (params) return function ()
	local TICKS = 1920 -- of a beat, in Ardour and in the files
	local wish = params or {}
	local command, options = wish["command"] or "harmonize", wish["options"] or ""

	local function fail (text)
		if LuaDialog then
			LuaDialog.Message ("midi-diffuse", text,
				LuaDialog.MessageType.Error, LuaDialog.ButtonType.Close):run ()
		end
		error (text, 0)
	end

	-- Some versions give ticks only in words: `beats:ticks`.
	local function ticks (beats)
		if beats.to_ticks then return beats:to_ticks () end
		local whole, rest = tostring (beats):match ("^(%-?%d+):(%d+)$")
		return tonumber (whole) * TICKS + tonumber (rest)
	end

	--@ shared.lua

	-- Ardour ------------------------------------------------------------------------------------

	-- The region's notes from the bar line before it, and how far after that it begins.
	local function notes_of (region, shift)
		local first = ticks (region:start ():beats ())
		local last = first + ticks (region:length ():beats ())
		local notes = {}
		local model = region:to_midiregion ():midi_source (0):model ()
		for n in ARDOUR.LuaAPI.note_list (model):iter () do
			local start = ticks (n:time ())
			if start >= first and start < last then
				local length = math.max (math.min (ticks (n:length ()), last - start), 1)
				notes[#notes + 1] = { start = start - first + shift, length = length,
					pitch = n:note (), velocity = n:velocity () }
			end
		end
		return notes
	end

	local function new_track ()
		local one = ARDOUR.ChanCount (ARDOUR.DataType ("midi"), 1)
		local made
		local tracks = Session:new_midi_track (one, one, true, ARDOUR.PluginInfo (), nil, nil, 1,
			"midi-diffuse", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
		for track in tracks:iter () do made = track end
		return made
	end

	-- A region of its own, since scripts can only copy one: its notes are then exchanged.
	local function put (region, notes, position)
		local copy = ARDOUR.RegionFactory.clone_region (region, true, true)
		local model = copy:to_midiregion ():midi_source (0):model ()
		local change = model:new_note_diff_command ("midi-diffuse")
		for n in ARDOUR.LuaAPI.note_list (model):iter () do change:remove (n) end
		local last = 0
		for _, note in ipairs (notes) do
			change:add (ARDOUR.LuaAPI.new_noteptr (note.channel,
				Temporal.Beats (note.start // TICKS, note.start % TICKS),
				Temporal.Beats (note.length // TICKS, note.length % TICKS), note.pitch, note.velocity))
			last = math.max (last, note.start + note.length)
		end
		model:apply_command (Session, change)
		copy:set_name ("midi-diffuse")
		copy:set_start (Temporal.timepos_t.from_ticks (0))
		copy:set_length (Temporal.timecnt_t.from_ticks (last, position), 0)
		new_track ():playlist ():add_region (copy, position, 1, false)
	end

	local function answer (region)
		local map = Temporal.TempoMap.read ()
		local position = region:position ()
		local meter, place = map:meter_at (position), map:bbt_at (position)
		local unit = meter:note_value ()
		local shift = (place.beats - 1) * TICKS * 4 // unit + place.ticks * 4 // unit
		local notes = notes_of (region, shift)
		if #notes == 0 then fail ("there are no notes in " .. region:name ()) end
		local bpm = map:quarters_per_minute_at (position)
		local found = answer_to (notes, bpm, meter:divisions_per_bar (), unit)
		local begins = Temporal.timepos_t.from_ticks (ticks (position:beats ()) - shift)
		put (region, found, begins)
	end

	local regions = {}
	for region in Editor:get_selection ().regions:regionlist ():iter () do
		if not region:to_midiregion ():isnil () then regions[#regions + 1] = region end
	end
	if #regions == 0 then fail ("select a MIDI region first") end
	for _, region in ipairs (regions) do answer (region) end
end end
