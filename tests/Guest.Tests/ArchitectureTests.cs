using System.Diagnostics;
using ChannelSdk.Host;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Guest.Tests;

/// <summary>
/// The agent that ships and the one for arm64 (under user-mode emulation) side by side. Flags of open(2) and numbers of system calls
/// differ between the two: an agent with the other's would follow links where it must not.
/// </summary>
public sealed class ArchitectureTests : IDisposable
{
    private static readonly string s_root = SavedGuest.FindRoot();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-arch-");

    private static CancellationToken Soon => SavedGuest.Soon;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task The_agents_of_both_architectures_answer_alike_and_refuse_a_link_in_a_path()
    {
        await BuildAsync("scripts/build-guest.sh");
        await BuildAsync("scripts/build-agent-arm64.sh");
        var allowed = Directory.CreateDirectory(At("allowed")).FullName;
        await File.WriteAllTextAsync(At("secret"), "secret");
        await File.WriteAllTextAsync(At("allowed/plain"), "plain");
        File.CreateSymbolicLink(At("allowed/link"), At("secret"));
        Directory.CreateSymbolicLink(At("allowed/folder"), _folder.FullName);
        await File.WriteAllTextAsync(At("agent.toml"), $"[files]\nread = [\"{allowed}\"]\n");

        var x64 = await AskAsync("x64", [Path.Combine(s_root, "artifacts/agent/channel-agent")]);
        var arm64 = await AskAsync("arm64", ["qemu-aarch64-static", Path.Combine(s_root, "artifacts/agent-arm64/channel-agent")]);

        Assert.Equal(("x86_64", "aarch64"), (x64.Machine, arm64.Machine));
        Assert.Equal("plain", x64.Plain);
        Assert.Equal("plain", arm64.Plain);
        Assert.All(x64.Refusals, static refusal => Assert.StartsWith("PermissionDenied: ", refusal, StringComparison.Ordinal));
        Assert.All(x64.Refusals, static refusal => Assert.Contains("symbolic link", refusal, StringComparison.Ordinal));
        Assert.Equal(x64.Refusals, arm64.Refusals);
    }

    private async Task<Answers> AskAsync(string name, string[] program)
    {
        var socket = At($"{name}.sock");
        string[] arguments = [.. program[1..], "run", "--endpoint", $"unix-listen://{socket}", "--control-socket", "none", "--config", At("agent.toml")];
        using var agent = Process.Start(new ProcessStartInfo(program[0], arguments) { RedirectStandardError = true })!;
        // Read until its end, so that the agent never waits for room.
        var log = agent.StandardError.ReadToEndAsync();
        try
        {
            await using var host = new ChannelHost();
            var instance = host.Attach(name, $"unix://{socket}");
            var info = await instance.Info.GetAsync(Soon);
            var copy = At($"{name}.copy");
            await instance.Files.CopyOutAsync(At("allowed/plain"), copy, cancellationToken: Soon);
            string[] refusals =
            [
                await RefusalAsync(() => instance.Files.CopyOutAsync(At("allowed/link"), At($"{name}.1"), cancellationToken: Soon)),
                await RefusalAsync(() => instance.Files.CopyOutAsync(At("allowed/folder/secret"), At($"{name}.2"), cancellationToken: Soon)),
                await RefusalAsync(async () =>
                {
                    await foreach (var _ in instance.Files.ListAsync(At("allowed/folder"), Soon))
                    {
                        // Nothing may come.
                    }
                }),
            ];
            return new Answers(info.Kernel!.Architecture, await File.ReadAllTextAsync(copy), refusals);
        }
        finally
        {
            agent.Kill();
            await log;
        }
    }

    private static async Task<string> RefusalAsync(Func<Task> ask)
    {
        var error = await Assert.ThrowsAsync<ChannelException>(ask);
        return $"{error.Code}: {error.Message}";
    }

    private static async Task BuildAsync(string script)
    {
        using var build = Process.Start(new ProcessStartInfo(Path.Combine(s_root, script)) { WorkingDirectory = s_root })!;
        await build.WaitForExitAsync();
        Assert.Equal(0, build.ExitCode);
    }

    private string At(string name) => Path.Combine(_folder.FullName, name);

    private sealed record Answers(string Machine, string Plain, string[] Refusals);
}
