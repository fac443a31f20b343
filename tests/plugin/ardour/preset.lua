-- A preset is found by its name and loaded, and the session is saved; prints the plugin's likeness as
-- the host reads it. For ardour7-lua; the environment says where (OUT) and which (LABEL).

local function check(what, holds)
	if not holds then
		io.stderr:write("failed: " .. what .. "\n")
		os.exit(1)
	end
end

check("audio engine", not AudioEngine:set_backend("None (Dummy)", "Unit-Test", ""):isnil())
local session = create_session(os.getenv("OUT") .. "/session", "preset", 48000)
check("session", session)
local flag, order = ARDOUR.PresentationInfo.Flag.AudioBus, ARDOUR.PresentationInfo.max_order
local bus = session:new_audio_route(2, 2, nil, 1, "bus", flag, order):front()
local processor = ARDOUR.LuaAPI.new_plugin(session, "Uncodec", ARDOUR.PluginType.VST3, "")
check("processor", not processor:isnil())
check("insertion", bus:add_processor_by_index(processor, 0, nil, true) == 0)
local plugin = processor:to_insert():plugin(0)
local preset = plugin:preset_by_label(os.getenv("LABEL"))
check("the preset is listed", preset)
check("the preset is loaded", plugin:load_preset(preset))
ARDOUR.LuaAPI.usleep(500000)
-- Of those that can be automated it is the fourth.
io.stderr:write(string.format("likeness=%.3f\n", ARDOUR.LuaAPI.get_processor_param(processor, 3, true)))
check("save", session:save_state("") == 0)
bus, plugin, preset, processor, session = nil, nil, nil, nil, nil
collectgarbage()
close_session()
quit()
