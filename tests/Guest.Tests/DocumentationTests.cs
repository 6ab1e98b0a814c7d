using System.Diagnostics;
using System.Text.RegularExpressions;

namespace ChannelSdk.Guest.Tests;

/// <summary>What the documents tell a reader to type works.</summary>
[Collection("documents")]
public partial class DocumentationTests
{
    private static readonly string[] s_documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/OPERATIONS.md", "docs/SECURITY.md", "docs/ARCHITECTURE.md", "docs/METADATA.md", "docs/VSOCK.md", "docs/XEN.md", "docs/INSTALL.md", "docs/DEFINITIONS.md", "docs/SNAPSHOT.md", "bench/README.md"];

    [Theory]
    [InlineData("docs/OPERATIONS.md")]
    [InlineData("docs/INSTALL.md")]
    [InlineData("docs/SNAPSHOT.md")]
    [InlineData("docs/DEFINITIONS.md")]
    public async Task The_commands_of_a_document_work_as_they_stand(string document)
    {
        var blocks = ShellBlock().Matches(await File.ReadAllTextAsync(Path.Combine(SavedGuest.FindRoot(), document)));
        Assert.NotEmpty(blocks);
        foreach (Match block in blocks)
        {
            // What a failing command leaves in the background would keep the output open.
            await RunAsync("set -euo pipefail; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + block.Groups[1].Value);
        }
    }

    [Theory]
    [InlineData("./demo")]
    [InlineData("./demo --small")]
    public Task The_demo_works(string command) => RunAsync(command);

    [Fact]
    public async Task Every_file_that_a_document_names_is_there()
    {
        foreach (var document in s_documents)
        {
            foreach (Match name in FileName().Matches(await File.ReadAllTextAsync(Path.Combine(SavedGuest.FindRoot(), document))))
            {
                var path = Path.Combine(SavedGuest.FindRoot(), name.Groups[1].Value);
                Assert.True(File.Exists(path) || Directory.Exists(path), $"{document} names {name.Groups[1].Value}, which is not there");
            }
        }
    }

    private static async Task RunAsync(string script)
    {
        using var shell = Process.Start(new ProcessStartInfo("bash", ["-c", script])
        {
            WorkingDirectory = SavedGuest.FindRoot(),
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, error) = (shell.StandardOutput.ReadToEndAsync(), shell.StandardError.ReadToEndAsync());
        try
        {
            await shell.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromMinutes(15)).Token);
        }
        finally
        {
            shell.Kill(entireProcessTree: true);
        }

        Assert.True(shell.ExitCode == 0, $"exit code {shell.ExitCode}\n{await output}\n{await error}");
    }

    [GeneratedRegex("^```sh\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex ShellBlock();

    // A path with a known top folder; what is built or made at run time is not meant.
    [GeneratedRegex("`((?:protocol|src|tests|docs|scripts|bench|examples)/[A-Za-z0-9_./-]+)`")]
    private static partial Regex FileName();
}
