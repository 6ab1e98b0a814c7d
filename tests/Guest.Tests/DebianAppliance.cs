namespace ChannelSdk.Guest.Tests;

/// <summary>The Debian appliance of this project, which all tests share: built once, and again when what it is made of changes.</summary>
public static class DebianAppliance
{
    private static readonly Lazy<Task<string>> s_folder = new(BuildAsync);

    /// <summary>Its folder, for <c>ApplianceFolder</c>. The first call may take minutes.</summary>
    public static Task<string> FolderAsync() => s_folder.Value;

    private static async Task<string> BuildAsync()
    {
        var root = SavedGuest.FindRoot();
        await DiskGuest.RunAsync(TimeSpan.FromMinutes(20), Path.Combine(root, "scripts/build-appliance.sh"), "--kind", "debian");
        return Path.Combine(root, ".cache/debian-appliance");
    }
}
