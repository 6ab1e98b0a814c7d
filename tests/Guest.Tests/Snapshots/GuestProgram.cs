using ChannelSdk.Host;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>Programs in C that tests run in the small guest, which has no libraries.</summary>
internal static class GuestProgram
{
    // Those of the tests have no C library either.
    private static readonly string[] s_bare = ["-nostdlib", "-fno-stack-protector"];

    /// <summary>Makes /tmp/NAME in the guest of a source file.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="folder">A folder of this host for the program.</param>
    /// <param name="source">Path from the repository's root.</param>
    /// <returns>Its path in the guest.</returns>
    public static async Task<string> InstallAsync(Instance guest, string folder, string source)
    {
        var name = Path.GetFileNameWithoutExtension(source);
        var program = Path.Combine(folder, name);
        await DiskGuest.RunAsync("gcc", ["-O2", "-static", .. source.StartsWith("tests/", StringComparison.Ordinal) ? s_bare : [], "-o", program, Path.Combine(SavedGuest.FindRoot(), source)]);
        await guest.Files.CopyInAsync(program, $"/tmp/{name}", cancellationToken: SavedGuest.Soon);
        await SnapshotMachine.ShAsync(guest, $"chmod 755 /tmp/{name}");
        return $"/tmp/{name}";
    }
}
