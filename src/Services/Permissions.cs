namespace ChannelSdk.Services;

/// <summary>
/// What the image's owner allows or denies as a whole, beside the single methods: each method names the permission that it needs, and the
/// agent asks for it at each call.
/// </summary>
public static class Permissions
{
    /// <summary>Shutdown, reboot, halt and suspends.</summary>
    public const string Power = "power";

    /// <summary>Transfers that measure the channel.</summary>
    public const string Measure = "measure";

    /// <summary>Reading files: at least one folder is readable.</summary>
    public const string ReadFiles = "files.read";

    /// <summary>Writing files: at least one folder is writable.</summary>
    public const string WriteFiles = "files.write";

    /// <summary>Running programs: at least one is allowed.</summary>
    public const string RunPrograms = "exec";

    /// <summary>Installing: this guest is an appliance.</summary>
    public const string Install = "install";
}
