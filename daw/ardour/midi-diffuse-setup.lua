ardour {
	["type"]    = "EditorAction",
	name        = "midi-diffuse tracks",
	license     = "MIT",
	author      = "midi-diffuse",
	description = [[
Makes two MIDI tracks, Melody and midi-diffuse, connects the first to midi-diffuse and midi-diffuse
to the second, arms that, and sends midi-diffuse Ardour's MIDI clock. Start `midi-diffuse serve` first.
]]
}

function factory () return function ()
	local function fail (text)
		if LuaDialog then
			LuaDialog.Message ("midi-diffuse", text,
				LuaDialog.MessageType.Error, LuaDialog.ButtonType.Close):run ()
		end
		error (text, 0)
	end

	-- Full names of the ports of others whose name ends so, of a direction.
	local function port (ending, flags)
		local midi, ports = ARDOUR.DataType ("midi"), C.StringVector ()
		local _, found = Session:engine ():get_backend_ports ("midi-diffuse", midi, flags, ports)
		for name in found[4]:iter () do
			if name:sub (-#ending) == ending then return name end
		end
		fail ("no port `" .. ending .. "`: start `midi-diffuse serve` with --midi-api jack first")
	end

	local function track (name)
		local existing = Session:route_by_name (name)
		if not existing:isnil () then return existing:to_track () end
		local one = ARDOUR.ChanCount (ARDOUR.DataType ("midi"), 1)
		local made
		local tracks = Session:new_midi_track (one, one, true, ARDOUR.PluginInfo (), nil, nil, 1,
			name, ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
		for each in tracks:iter () do made = each end
		return made:to_track ()
	end

	local to = port ("midi-diffuse in", ARDOUR.PortFlags.IsInput)
	local from = port ("midi-diffuse out", ARDOUR.PortFlags.IsOutput)
	local melody, reply = track ("Melody"), track ("midi-diffuse")
	melody:output ():nth (0):connect (to)
	reply:input ():nth (0):disconnect_all ()
	reply:input ():nth (0):connect (from)
	reply:rec_enable_control ():set_value (1, PBD.GroupControlDisposition.NoGroup)
	ARDOUR.config ():set_send_midi_clock (true)
	Session:engine ():connect ("MIDI Clock out", to)
end end
