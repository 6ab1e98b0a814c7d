namespace ChannelSdk.Guest.Tests;

/// <summary>The Debian appliance of this project, which all tests share: built once, and again when what it is made of changes.</summary>
public static class DebianAppliance
{
    private static readonly Lazy<Task<string>> s_folder = new(() => BuildAsync("debian-appliance"));

    /// <summary>Its folder, for <c>ApplianceFolder</c>. The first call may take minutes.</summary>
    public static Task<string> FolderAsync() => s_folder.Value;

    /// <summary>One of its own with what a folder of hooks adds.</summary>
    /// <param name="name">Name of its folder.</param>
    /// <param name="hooks">The hooks' folder in this project.</param>
    public static Task<string> WithAsync(string name, string hooks) => BuildAsync(name, "--hooks", Path.Combine(SavedGuest.FindRoot(), hooks));

    private static async Task<string> BuildAsync(string name, params string[] more)
    {
        var root = SavedGuest.FindRoot();
        var folder = Path.Combine(root, ".cache", name);
        await DiskGuest.RunAsync(TimeSpan.FromMinutes(20), Path.Combine(root, "scripts/build-appliance.sh"), ["--kind", "debian", "--output", folder, .. more]);
        return folder;
    }
}
