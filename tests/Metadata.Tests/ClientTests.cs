using System.Text;

namespace ChannelSdk.Metadata.Tests;

/// <summary>Metadata clients as Debian packages them, unmodified, at 169.254.169.254 in their own namespace.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class ClientTests(ClientNamespace inside) : IClassFixture<ClientNamespace>
{
    [Fact]
    public async Task Ec2metadata_of_cloud_guest_utils_reads_the_instance()
    {
        var (code, text) = await inside.RunAsync("/usr/bin/ec2metadata");
        Assert.True(code == 0, text);
        Assert.Contains("instance-id: i-0123456789abcdef0\n", text);
        Assert.Contains("availability-zone: eu-west-1a\n", text);
        Assert.Contains("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILab me@lab", text);
        Assert.Contains("#!/bin/sh", text);
    }

    [Fact]
    public async Task Ec2_metadata_of_amazon_ec2_utils_reads_the_instance()
    {
        var (code, text) = await inside.RunAsync("/usr/bin/ec2-metadata", "--all");
        Assert.True(code == 0, text);
        Assert.Contains("instance-id: i-0123456789abcdef0\n", text);
        Assert.Contains("local-ipv4: 192.0.2.5\n", text);
        Assert.Contains("security-groups: default", text);
        Assert.Contains("keyname:lab-key", text);
        Assert.Contains("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILab me@lab", text);
    }

    [Fact]
    public async Task Amazon_ec2_net_utils_reads_its_interface()
    {
        var (code, text) = await inside.RunAsync("bash", "-c",
            ". /usr/share/amazon-ec2-net-utils/lib.sh; get_token; get_iface_imds 52:54:00:12:34:56 local-ipv4s 1; get_imds network/interfaces/macs/ 1");
        Assert.True(code == 0, text);
        Assert.Contains("192.0.2.5", text);
        Assert.Contains("52:54:00:12:34:56/", text);
    }

    [Fact]
    public async Task Botocore_gets_credentials_and_region()
    {
        var (code, text) = await inside.RunAsync("/usr/bin/python3", "-c", """
            from botocore.utils import InstanceMetadataFetcher, InstanceMetadataRegionFetcher
            print(InstanceMetadataFetcher(timeout=5, num_attempts=2).retrieve_iam_role_credentials())
            print(InstanceMetadataRegionFetcher(timeout=5, num_attempts=2).retrieve_region())
            """);
        Assert.True(code == 0, text);
        Assert.Contains("'role_name': 'lab-role'", text);
        Assert.Contains("AKIALAB", text);
        Assert.EndsWith("eu-west-1\n", text);
    }

    [Fact]
    public async Task Awscli_finds_the_role()
    {
        var (code, text) = await inside.RunAsync("/usr/bin/aws", "configure", "list");
        Assert.True(code == 0, text);
        Assert.Matches("access_key +\\*+ALAB +iam-role", text);
    }

    [Fact]
    public async Task Facter_crawls_the_tree()
    {
        var (code, text) = await inside.RunAsync("/usr/bin/ruby", "-e", """
            require 'facter'
            require 'facter/resolvers/ec2'
            puts Facter::Resolvers::Ec2.resolve(:metadata).inspect
            puts Facter::Resolvers::Ec2.resolve(:userdata)
            """);
        Assert.True(code == 0, text);
        Assert.Contains("i-0123456789abcdef0", text);
        Assert.Contains("eu-west-1a", text);
        Assert.Contains("192.0.2.0/24", text);
        Assert.Contains("exit 0", text);
    }

    [Fact]
    public async Task Rclone_gets_its_credentials_from_the_role()
    {
        // Its S3 server is a closed port: what it lacks then is the server, and no longer the credentials.
        var before = inside.Instance.Counters.Requests;
        var (_, text) = await inside.RunAsync("/usr/bin/rclone", "lsd", ":s3:", "--s3-provider", "AWS", "--s3-env-auth", "--s3-region", "eu-west-1", "--s3-endpoint", "http://127.0.0.1:1",
            "--retries", "1", "--low-level-retries", "1", "--contimeout", "5s");
        Assert.True(text.Contains("connection refused", StringComparison.Ordinal), text);
        Assert.DoesNotContain("NoCredentialProviders", text);
        Assert.True(inside.Instance.Counters.Requests >= before + 3, text);
    }

    [Fact]
    public async Task Curl_uses_the_Ganeti_pipe_and_sees_changes_by_tag()
    {
        const string host = "http://169.254.169.254";
        await inside.Instance.Pipe.SendAsync("go on\n"u8.ToArray());
        Assert.Equal((0, "go on\n"), await inside.RunAsync("curl", "-sf", $"{host}/ganeti/latest/read"));
        Assert.Equal((0, ""), await inside.RunAsync("curl", "-sf", "--data-binary", "done 1", $"{host}/ganeti/latest/write"));
        Assert.Equal("done 1", Encoding.UTF8.GetString((await inside.Instance.Pipe.ReceiveAsync()).Span));
        var waiting = inside.RunAsync("curl", "-sf", $"{host}/openstack/latest/vendor_data2.json?wait_for_change=true&last_etag=unknown");
        Assert.Equal((0, "{}"), await waiting);
    }
}
