using System.Net.Sockets;
using System.Runtime.InteropServices;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Links in what an appliance is given.</summary>
public sealed partial class DefinitionLinkTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public DefinitionLinkTests() => _folder.Write("os/untrusted/create", "script", isScript: true);

    public void Dispose() => _folder.Dispose();

    private IEnumerable<(string Name, string Content)> Read() =>
        new DefinitionCatalog(_folder.Path).Load("os").ReadUntrusted().Select(static file => (file.Name, file.Content.ToStringUtf8()));

    private string Fails() => Assert.Throws<ChannelException>(() => Read()).Message;

    private void Link(string name, string target) => File.CreateSymbolicLink(_folder.At("os", "untrusted", name), target);

    [Fact]
    public void Links_that_stay_in_the_folder_are_sent_as_what_they_lead_to()
    {
        _folder.Write("os/untrusted/tasks/10-disk", "disk");
        Directory.CreateDirectory(_folder.At("os", "untrusted", "sub"));
        Link("import", "create");
        Link("hooks", "tasks");
        Link("sub/20-disk", "../hooks/10-disk");
        Assert.Equal([("create", "script"), ("hooks/10-disk", "disk"), ("import", "script"), ("sub/20-disk", "disk"), ("tasks/10-disk", "disk")], Read());
        Assert.True(new DefinitionCatalog(_folder.Path).Load("os").HasUntrusted(InstallAction.Import));
    }

    [Fact]
    public void A_link_to_a_file_elsewhere_is_sent_where_only_the_administrator_can_have_made_it()
    {
        var config = _folder.Write("etc/os/default.conf", "config");
        Directory.CreateSymbolicLink(_folder.At("etc", "current"), "os");
        Link("variants.list", _folder.At("etc", "current", "default.conf"));
        Link("relative", "../../etc/./os/default.conf");
        Assert.Equal([("create", "script"), ("relative", "config"), ("variants.list", "config")], Read());

        File.SetUnixFileMode(config, (UnixFileMode)0b110_110_100);
        Assert.Contains("default.conf: its group may write it, and the link", Fails());
        File.SetUnixFileMode(config, (UnixFileMode)0b110_100_100);
        File.SetUnixFileMode(_folder.At("etc", "os"), (UnixFileMode)0b111_111_101);
        Assert.Contains("etc/os: its group may write it, and the link", Fails());
        File.SetUnixFileMode(_folder.At("etc", "os"), (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(_folder.At("os", "untrusted"), (UnixFileMode)0b111_111_111);
        Assert.Contains("untrusted: everybody may write it, and the link", Fails());
        File.SetUnixFileMode(_folder.At("os", "untrusted"), (UnixFileMode)0b111_101_101);
        Assert.Equal(3, Read().Count());
    }

    [Fact]
    public void A_link_of_another_user_leads_to_no_file_of_the_host()
    {
        if (Environment.UserName != "root")
        {
            // Only root can give a link away.
            return;
        }

        _folder.Write("secret", "THE HOST'S");
        Link("mine", _folder.At("secret"));
        Assert.Equal(2, Read().Count());
        Assert.Equal(0, LChown(_folder.At("os", "untrusted", "mine"), 65534, 65534));
        Assert.Contains("untrusted/mine: it belongs to user 65534, and it is a link that is followed", Fails());
        File.Delete(_folder.At("os", "untrusted", "mine"));

        // Neither on the way of a link of root's.
        Directory.CreateDirectory(_folder.At("theirs"));
        File.CreateSymbolicLink(_folder.At("theirs", "link"), _folder.At("secret"));
        Link("through", _folder.At("theirs", "link"));
        Assert.Equal(2, Read().Count());
        Assert.Equal(0, LChown(_folder.At("theirs"), 65534, 65534));
        Assert.Contains("theirs: it belongs to user 65534, and the link", Fails());
    }

    [Theory]
    [InlineData("/etc", "untrusted/link: it leads to a folder outside of the definition")]
    [InlineData("../..", "untrusted/link: it leads to a folder outside of the definition")]
    [InlineData("/nonexistent", "untrusted/link: the link cannot be followed: No such file")]
    [InlineData("nonexistent", "untrusted/link: the link cannot be followed: No such file")]
    [InlineData("link", "untrusted/link: the link cannot be followed: Too many levels")]
    [InlineData("../../loop", "untrusted/link: the link cannot be followed: Too many levels")]
    [InlineData("/etc/passwd/x", "untrusted/link: the link cannot be followed: Not a directory")]
    [InlineData("../../socket", "untrusted/link: it leads to no regular file")]
    [InlineData(".", "untrusted/link: it is a link to a folder that it lies in")]
    public void A_link_to_what_cannot_be_sent_is_told_of(string target, string said)
    {
        File.CreateSymbolicLink(_folder.At("loop"), "loop");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder.At("socket")));
        Link("link", target);
        Assert.Contains(said, Fails());
    }

    [LibraryImport("libc", EntryPoint = "lchown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LChown(string path, uint user, uint group);
}
