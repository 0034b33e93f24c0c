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

	-- Files -------------------------------------------------------------------------------------

	local function quantity (value)
		local bytes = string.char (value & 0x7f)
		value = value >> 7
		while value > 0 do
			bytes = string.char (value & 0x7f | 0x80) .. bytes
			value = value >> 7
		end
		return bytes
	end

	-- events: { tick, rank, bytes }; of one tick those of lower rank come first.
	local function chunk (events)
		table.sort (events, function (a, b)
			if a[1] ~= b[1] then return a[1] < b[1] end
			return a[2] < b[2]
		end)
		local parts, now = {}, 0
		for _, event in ipairs (events) do
			parts[#parts + 1] = quantity (event[1] - now) .. event[3]
			now = event[1]
		end
		parts[#parts + 1] = "\0\xff\x2f\0"
		local body = table.concat (parts)
		return string.pack (">c4I4", "MTrk", #body) .. body
	end

	local function write_file (path, notes, bpm, beats, unit)
		local power = 0
		while 1 << power < unit do power = power + 1 end
		local tempo = string.pack (">I3", math.floor (60000000 / bpm + 0.5))
		local events = {
			{ 0, 0, "\xff\x03\6Melody" },
			{ 0, 0, "\xff\x51\3" .. tempo },
			{ 0, 0, "\xff\x58\4" .. string.char (beats, power, 24, 8) },
		}
		for _, note in ipairs (notes) do
			events[#events + 1] = { note.start, 2, string.char (0x90, note.pitch, note.velocity) }
			events[#events + 1] = { note.start + note.length, 1, string.char (0x80, note.pitch, 0) }
		end
		local file = assert (io.open (path, "wb"))
		file:write (string.pack (">c4I4I2I2I2", "MThd", 6, 0, 1, TICKS), chunk (events))
		file:close ()
	end

	-- The notes of our own tracks, with their channels.
	local function read_file (path)
		local file = assert (io.open (path, "rb"))
		local data = file:read ("a")
		file:close ()
		local found, at = {}, 15
		while at + 8 <= #data + 1 do
			local kind, size, next_at = string.unpack (">c4I4", data, at)
			local last = next_at + size
			local name, now, open, status, i = "", 0, {}, 0, next_at
			local notes = {}
			local function number ()
				local value = 0
				while true do
					local byte = data:byte (i)
					i = i + 1
					value = value << 7 | byte & 0x7f
					if byte < 0x80 then return value end
				end
			end
			while kind == "MTrk" and i < last do
				now = now + number ()
				if data:byte (i) >= 0x80 then
					status = data:byte (i)
					i = i + 1
				end
				if status >= 0xf0 then
					local meta = status == 0xff and data:byte (i) or -1
					i = i + (status == 0xff and 1 or 0)
					local length = number ()
					if meta == 3 then name = data:sub (i, i + length - 1) end
					i = i + length
				else
					local high, channel = status & 0xf0, status & 0x0f
					local pitch, velocity = data:byte (i), data:byte (i + 1)
					i = i + ((high == 0xc0 or high == 0xd0) and 1 or 2)
					local key = channel * 128 + pitch
					if high == 0x90 and velocity > 0 then
						open[key] = { start = now, pitch = pitch, velocity = velocity, channel = channel }
					elseif (high == 0x80 or high == 0x90) and open[key] then
						open[key].length = now - open[key].start
						notes[#notes + 1] = open[key]
						open[key] = nil
					end
				end
			end
			if name == "midi-diffuse" or name:sub (1, 13) == "midi-diffuse " then
				for _, note in ipairs (notes) do found[#found + 1] = note end
			end
			at = last
		end
		return found
	end

	-- The command -------------------------------------------------------------------------------

	local function quoted (path)
		if os.getenv ("COMSPEC") then return '"' .. path .. '"' end -- Windows
		return "'" .. path:gsub ("'", "'\\''") .. "'"
	end

	local function run (source, target)
		local program = os.getenv ("MIDI_DIFFUSE") or "midi-diffuse"
		local words = { program, command, quoted (source), "-o", quoted (target), options,
			"2>", quoted (target .. ".txt") }
		os.execute (table.concat (words, " "))
		-- What `execute` returns differs from program to program; whether there is a file does not.
		local made = io.open (target, "rb")
		if made then
			made:close ()
			return
		end
		local said = io.open (target .. ".txt")
		local text = said and said:read ("a") or ""
		if said then said:close () end
		for _, path in ipairs ({ source, target .. ".txt" }) do os.remove (path) end
		fail (text ~= "" and text or "the command `" .. program .. "` did not work")
	end

	-- What midi-diffuse plays to these notes, which begin on a bar line at 0.
	local function answer_to (notes, bpm, beats, unit)
		local base = os.tmpname ()
		local source, target = base .. ".mid", base .. "-answer.mid"
		write_file (source, notes, bpm, beats, unit)
		run (source, target)
		local found = read_file (target)
		for _, path in ipairs ({ base, source, target, target .. ".txt" }) do os.remove (path) end
		if #found == 0 then fail ("midi-diffuse plays nothing here; try another --seed") end
		return found
	end

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
