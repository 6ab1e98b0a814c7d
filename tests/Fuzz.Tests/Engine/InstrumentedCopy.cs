using SharpFuzz;

namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>This program in its own folder, with the assemblies that are attacked instrumented. The ones that were built stay as they are.</summary>
internal sealed class InstrumentedCopy : IDisposable
{
    private static readonly string[] s_attacked =
    [
        "ChannelSdk.Protocol.dll", "ChannelSdk.Transports.dll", "channel-agent.dll", "ChannelSdk.HostEndpoint.dll", "ChannelSdk.Hypervisors.dll",
    ];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-fuzz-");

    /// <param name="change">Done to the copy before it is instrumented, for a planted fault.</param>
    internal InstrumentedCopy(Action<string>? change = null)
    {
        try
        {
            foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory))
            {
                File.Copy(file, Path.Combine(_folder.FullName, Path.GetFileName(file)));
            }

            change?.Invoke(_folder.FullName);
            foreach (var name in s_attacked)
            {
                Fuzzer.Instrument(Path.Combine(_folder.FullName, name), static type => !IsGenerated(type), Options.Value);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The program to run.</summary>
    internal string Program => Path.Combine(_folder.FullName, Path.GetFileName(typeof(InstrumentedCopy).Assembly.Location));

    public void Dispose() => _folder.Delete(recursive: true);

    // Messages are protobuf's work, and the edges in them would take the place of ours.
    private static bool IsGenerated(string type) => type.StartsWith("ChannelSdk.Protocol.Services.", StringComparison.Ordinal);
}
